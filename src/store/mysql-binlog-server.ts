import type { CaptureFrom, ResumePoint } from '../change-data-capture/change-log.ts';
import type { StoredPosition } from '../change-data-capture/row-change.ts';
import { CaptureStoppedError, ConfigurationError } from '../errors.ts';
import type { Logger } from '../shared/logger.ts';
import { errnoOf } from './mysql-error.ts';

/** One statement on the server whose binlog is read, under the account that reads it. */
export type AskServer = <Row>(sql: string, ...parameters: unknown[]) => Promise<Row[]>;

export interface BinlogServer {
  readonly isMariadb: boolean;
  /** MySQL's `server_uuid`, MariaDB's `server_uid`. */
  readonly id: string;
}

const DAY_SECONDS = 86_400;
const SYNTAX_ERROR = 1064;
/** ER_SPECIFIC_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD and their like. */
export const DENIED: readonly number[] = [1044, 1045, 1142, 1227, 1698];

export const askWhoItIs = async (ask: AskServer): Promise<BinlogServer> => {
  const [server] = await ask<{ version: string }>('select version() as version');
  const isMariadb = /mariadb/i.test(server?.version ?? '');
  const [named] = await ask<{ id: string }>(`select @@global.${isMariadb ? 'server_uid' : 'server_uuid'} as id`);
  return { isMariadb, id: named?.id ?? '' };
};

/** What must be set so that the binlog holds whole rows and says what their columns are. */
const NEEDED: Readonly<Record<string, string>> = {
  log_bin: 'ON',
  binlog_format: 'ROW',
  binlog_row_image: 'FULL',
  // Without it nothing says which column a value belonged to when a table has been changed since.
  binlog_row_metadata: 'FULL',
  // Parts of documents, and transactions in one compressed piece, which cannot be read here.
  binlog_row_value_options: '',
  binlog_transaction_compression: 'OFF',
};

/** Refuses, with `ConfigurationError` naming every setting, a server whose binlog does not hold what is needed. */
export const checkSettings = async (ask: AskServer, logger: Logger): Promise<void> => {
  const names = [...Object.keys(NEEDED), 'binlog_expire_logs_seconds'];
  const rows = await ask<{ Variable_name: string; Value: string }>(
    `show global variables where variable_name in (${names.map((name) => `'${name}'`).join(', ')})`,
  );
  const values = new Map(rows.map(({ Variable_name: name, Value: value }) => [name.toLowerCase(), value]));
  const wrong = Object.entries(NEEDED).filter(([name, needed]) => (values.get(name) ?? needed).toUpperCase() !== needed);
  // A server that is too old to know it does not write it.
  if (!values.has('binlog_row_metadata')) wrong.push(['binlog_row_metadata', 'FULL']);
  if (wrong.length > 0) {
    const said = wrong.map(([name, needed]) => `${name} is ${values.get(name) ?? 'unknown'} and must be ${needed || 'empty'}`).join('; ');
    throw new ConfigurationError(
      `changeDataCapture: the database's log cannot be read for messages: ${said}. ${
        values.get('log_bin')?.toUpperCase() === 'OFF'
          ? 'log_bin takes a restart of the server'
          : "SET GLOBAL and the server's configuration file; sessions that are open keep the old value"
      }`,
    );
  }
  const seconds = Number(values.get('binlog_expire_logs_seconds') ?? 0);
  if (seconds > 0 && seconds < DAY_SECONDS)
    logger.warn(
      { binlogExpireLogsSeconds: seconds },
      'the server keeps its binlog for less than a day: what a reader that is down for longer has not read is lost to it',
    );
};

/** Refuses, with `ConfigurationError`, an account that may not read the binlog. Roles cannot be looked into: the server says so then. */
export const checkGrants = async (ask: AskServer, { isMariadb }: BinlogServer): Promise<void> => {
  const grants = (await ask<Record<string, string>>('show grants')).map((row) => Object.values(row)[0] ?? '');
  if (grants.some((grant) => /^GRANT (?!.* ON )/i.test(grant))) return;
  const everywhere = grants.flatMap((grant) => /^GRANT (.+) ON \*\.\*/i.exec(grant)?.[1]?.toUpperCase().split(/,\s*/) ?? []);
  if (everywhere.includes('ALL PRIVILEGES')) return;
  const needed = isMariadb
    ? [['REPLICATION SLAVE'], ['BINLOG MONITOR', 'REPLICATION CLIENT']]
    : [['REPLICATION SLAVE'], ['REPLICATION CLIENT']];
  const missing = needed.filter((names) => !names.some((name) => everywhere.includes(name))).map(([name]) => name!);
  if (missing.length > 0)
    throw new ConfigurationError(
      `changeDataCapture: the account may not read the database's log: GRANT ${missing.join(', ')} ON *.* to it, or name another account in binlogUrl`,
    );
};

interface LogStatus {
  readonly File: string;
  readonly Position: number | string;
  readonly Executed_Gtid_Set?: string;
}

const logStatus = async (ask: AskServer): Promise<LogStatus> => {
  // MySQL 8.4 has dropped the older name, MariaDB does not know the newer one.
  const rows = await ask<LogStatus>('show binary log status').catch((error: unknown) => {
    if (errnoOf(error) !== SYNTAX_ERROR) throw error;
    return ask<LogStatus>('show master status');
  });
  if (rows[0] === undefined) throw new ConfigurationError('changeDataCapture: the server says that it writes no binlog');
  return rows[0];
};

interface LogFile {
  readonly Log_name: string;
  readonly File_size: number | string;
}

/** MariaDB: everything before a place, in its notation; `undefined` when there is none. */
const gtidsBefore = async (ask: AskServer, file: string, position: number): Promise<string | undefined> => {
  const [row] = await ask<{ gtids: string | null }>('select binlog_gtid_pos(?, ?) as gtids', file, position);
  return row?.gtids ?? undefined;
};

const isGtidMode = async (ask: AskServer): Promise<boolean> =>
  (await ask<{ mode: string }>('select @@global.gtid_mode as mode'))[0]?.mode.toUpperCase().startsWith('ON') ?? false;

/** Where a capture begins that has no position yet. */
export const firstPosition = async (ask: AskServer, server: BinlogServer, from: CaptureFrom): Promise<StoredPosition> => {
  if (from === 'now') {
    const { File: file, Position, Executed_Gtid_Set: executed } = await logStatus(ask);
    const position = Number(Position);
    const gtidSet = server.isMariadb
      ? await gtidsBefore(ask, file, position)
      : (await isGtidMode(ask))
        ? executed?.replaceAll(/\s/g, '')
        : undefined;
    return { server: server.id, file, position, gtidSet };
  }
  const files = await ask<LogFile>('show binary logs');
  const wanted = from === 'oldest' ? { file: files[0]?.Log_name ?? '', position: 4 } : from;
  const found = files.find(({ Log_name: name }) => name === wanted.file);
  if (found === undefined || wanted.position > Number(found.File_size))
    throw new ConfigurationError(
      `changeDataCapture: from names ${wanted.file}:${wanted.position}, which the server does not have; it has ${files[0]?.Log_name} to ${files.at(-1)?.Log_name}`,
    );
  return { server: server.id, ...wanted, gtidSet: server.isMariadb ? await gtidsBefore(ask, wanted.file, wanted.position) : undefined };
};

/** Where to go on. Rejects with `CaptureStoppedError` when the server does not have the place any more. */
export const resumePoint = async (ask: AskServer, server: BinlogServer, stored: StoredPosition): Promise<ResumePoint> => {
  const { file, position, gtidSet } = stored;
  const point = { file, position, gtidSet };
  if (stored.server !== server.id) {
    if (gtidSet === undefined)
      throw new CaptureStoppedError(
        `the position ${file}:${position} is of another server than the one that answers, and there is no GTID set to find it by. ${WHAT_TO_DO}`,
        { reason: 'server-changed' },
      );
    return { by: 'gtid', point };
  }
  const files = await ask<LogFile>('show binary logs');
  const found = files.find(({ Log_name: name }) => name === file);
  if (found === undefined || position > Number(found.File_size))
    throw new CaptureStoppedError(
      `the server has no ${file}:${position} any more (it has ${files[0]?.Log_name ?? 'nothing'} to ${files.at(-1)?.Log_name ?? 'nothing'}): ${WHAT_TO_DO}`,
      { reason: 'position-lost' },
    );
  if (gtidSet !== undefined && !(await isStillThere(ask, server, point as { file: string; position: number; gtidSet: string })))
    throw new CaptureStoppedError(
      `the server's binlog was begun anew since ${file}:${position} was read: its GTIDs are others. ${WHAT_TO_DO}`,
      { reason: 'position-lost' },
    );
  return { by: 'file', point };
};

/** Said with every lost position. */
export const WHAT_TO_DO =
  'some rows may never have become messages. Run "checkback reconcile delivery", which publishes again what committed rows promised, then delete the row of binlog_position and start with from: \'now\'';

/** A binlog that was begun anew has files and places of the same names. */
const isStillThere = async (
  ask: AskServer,
  { isMariadb }: BinlogServer,
  { file, position, gtidSet }: { readonly file: string; readonly position: number; readonly gtidSet: string },
): Promise<boolean> => {
  if (isMariadb) return sorted((await gtidsBefore(ask, file, position)) ?? '') === sorted(gtidSet);
  const [row] = await ask<{ known: number }>('select gtid_subset(?, @@global.gtid_executed) as known', gtidSet);
  return Number(row?.known) === 1;
};

const sorted = (gtids: string): string =>
  gtids
    .split(',')
    .map((each) => each.trim())
    .sort()
    .join(',');
