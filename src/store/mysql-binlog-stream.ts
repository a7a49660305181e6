import { randomInt } from 'node:crypto';
import ZongJi, { type AnyBinlogEvent, GtidSet, MariadbGtidPosition } from '@vlasky/zongji';
import type { OpenLog, ResumePoint } from '../change-data-capture/change-log.ts';
import { controlOf, type LogEvent } from '../change-data-capture/log-event.ts';
import type { BinlogPoint, LoggedTable, RowChange } from '../change-data-capture/row-change.ts';
import { TransactionAssembler } from '../change-data-capture/transaction-assembler.ts';
import { CaptureStoppedError } from '../errors.ts';
import type { BinlogAccount } from './mysql-binlog-connection.ts';
import { readAhead } from './mysql-binlog-read-ahead.ts';
import { endOfDump, explained, watchSilence } from './mysql-binlog-trouble.ts';

export interface BinlogStreamOptions {
  readonly account: BinlogAccount;
  /** `database.table` of what is wanted. */
  readonly tables: readonly string[];
  /** `database.table` of the positions. */
  readonly bookkeeping: string;
  readonly isMariadb: boolean;
  readonly heartbeatMs: number;
  readonly readAheadRows: number;
  readonly maxTransactionRows: number;
  readonly batch: number;
  /** A statement about one of the tables. */
  readonly onDdl: (statement: string) => void;
}

/** Only these are decoded further than their header. */
const EVENTS = ['rotate', 'gtid', 'anonymousgtid', 'mariadbgtid', 'query', 'xid', 'xaprepare', 'tablemap', 'writerows', 'updaterows'];
/** Above the ids that people give their servers. */
const [FIRST_ID, LAST_ID] = [0x4000_0000, 0xffff_ffff];

/** Begins to read; resolves when the server has been asked for its binlog. */
export async function openBinlogStream(from: ResumePoint, options: BinlogStreamOptions, signal: AbortSignal): Promise<OpenLog> {
  signal.throwIfAborted();
  const zongji = new ZongJi({ ...options.account });
  const ahead = readAhead(options.readAheadRows, options.batch, {
    pause: () => zongji.connection?.pause(),
    resume: () => zongji.connection?.resume(),
  });
  const translator = new LogTranslator(from.point, options);
  const assembler = new TransactionAssembler(options.maxTransactionRows);
  let isOver = false;
  const fail = (error: unknown): void => {
    if (isOver) return;
    isOver = true;
    ahead.fail(explained(error));
  };
  zongji.on('error', fail);
  // A throw in here would come out of the socket's reader and end the process.
  zongji.on('binlog', (event) => {
    if (isOver) return;
    try {
      for (const said of translator.translate(event)) {
        const committed = assembler.take(said);
        if (committed !== undefined) ahead.add(committed);
      }
    } catch (error) {
      fail(error);
    }
  });
  let isClosed = false;
  let silence: { stop(): void } | undefined;
  const close = async (): Promise<void> => {
    signal.removeEventListener('abort', onAbort);
    if (isClosed) return;
    isClosed = true;
    isOver = true;
    silence?.stop();
    ahead.end();
    const stopped = new Promise<void>((resolve) => zongji.once('stopped', resolve));
    zongji.stop();
    await stopped;
  };
  const onAbort = (): void => ahead.end();
  signal.addEventListener('abort', onAbort, { once: true });
  const ready = new Promise<void>((resolve, reject) => {
    zongji.once('ready', resolve);
    ahead.failed.then(reject, reject);
  });
  ready.catch(() => {});
  zongji.start({
    serverId: randomInt(FIRST_ID, LAST_ID),
    includeEvents: EVENTS,
    includeSchema: schemasOf([...options.tables, options.bookkeeping]),
    ...(from.by === 'gtid' ? { gtidSet: from.point.gtidSet! } : { filename: from.point.file, position: from.point.position }),
  });
  try {
    prepareDump(zongji, options.heartbeatMs, fail);
    await ready;
    endOfDump(zongji.connection!, fail);
    silence = watchSilence(
      () => socketOf(zongji).bytesRead,
      options.heartbeatMs * 3,
      () => ahead.isPaused,
      fail,
    );
    return { connectionId: zongji.connection?.threadId ?? 0, batches: () => ahead.batches(), close };
  } catch (error) {
    await close();
    throw error;
  }
}

const socketOf = (zongji: ZongJi): { readonly bytesRead: number } =>
  (zongji.connection as unknown as { stream?: { bytesRead: number } } | null)?.stream ?? { bytesRead: 0 };

/** Queued before the library asks for the binlog: heartbeats, and no end to the server's patience while we make it wait. */
function prepareDump(zongji: ZongJi, heartbeatMs: number, fail: (error: unknown) => void): void {
  const nanoseconds = BigInt(heartbeatMs) * 1_000_000n;
  // The library's second connection is idle for as long as this lasts, and an error of it is an error of all.
  zongji.ctrlConnection?.query('set session wait_timeout = 31536000', () => {});
  zongji.connection?.query(
    `set @master_heartbeat_period = ${nanoseconds}, @source_heartbeat_period = ${nanoseconds}, session net_write_timeout = 86400`,
    (error) => {
      if (error) fail(error);
    },
  );
}

const schemasOf = (tables: readonly string[]): Record<string, string[]> => {
  const schemas: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const name of tables) {
    const [schema, table] = split(name);
    (schemas[schema] ??= []).push(table);
  }
  return schemas;
};

const split = (name: string): [schema: string, table: string] => {
  const at = name.indexOf('.');
  return [name.slice(0, at), name.slice(at + 1)];
};

/** Turns the library's events into ours, and keeps track of where it is. */
class LogTranslator {
  readonly #options: BinlogStreamOptions;
  readonly #wanted: ReadonlySet<string>;
  /** By the library's table ids, as long as a table looks the same. */
  readonly #tables = new Map<number, LoggedTable>();
  readonly #gtids: Gtids | undefined;
  #file: string;
  #position: number;

  constructor(from: BinlogPoint, options: BinlogStreamOptions) {
    this.#options = options;
    this.#wanted = new Set(options.tables);
    this.#file = from.file;
    this.#position = from.position;
    this.#gtids = from.gtidSet === undefined ? undefined : gtidsOf(from.gtidSet, options.isMariadb);
  }

  translate(event: AnyBinlogEvent): readonly LogEvent[] {
    switch (event.getTypeName()) {
      case 'Rotate': {
        const { binlogName, position } = event as Extract<AnyBinlogEvent, { binlogName: string; position: number }>;
        this.#file = binlogName;
        this.#position = position;
        return [];
      }
      case 'MariadbGtid':
        return (event as unknown as { standalone: boolean }).standalone ? [] : [{ kind: 'begin' }];
      case 'Query':
        return this.#statement(event);
      case 'Xid':
        return [{ kind: 'commit', ...this.#closes(event) }];
      case 'XaPrepare':
        return [{ kind: (event as unknown as { onePhase: boolean }).onePhase ? 'commit' : 'prepare', ...this.#closes(event) }];
      case 'TableMap':
        return this.#tableMap(event);
      case 'WriteRows':
      case 'UpdateRows':
        return this.#rows(event);
      default:
        return [];
    }
  }

  #statement(event: AnyBinlogEvent): readonly LogEvent[] {
    const { query } = event as unknown as { query: string };
    const control = controlOf(query);
    if (control === undefined || (control.kind === 'begin' && /^\s*CREATE/i.test(query))) this.#tellDdl(query);
    if (control === undefined) return [{ kind: 'statement', text: query, ...this.#closes(event) }];
    if (control.kind === 'savepoint' || control.kind === 'rollback-to') return [control];
    if (control.kind === 'begin') return [{ kind: 'begin' }];
    return [{ kind: control.kind, ...this.#closes(event) }];
  }

  #tellDdl(query: string): void {
    const isOurs = this.#options.tables.some((name) => query.includes(split(name)[1])) && /\bTABLE\b/i.test(query);
    if (isOurs) this.#options.onDdl(query);
  }

  #tableMap(event: AnyBinlogEvent): readonly LogEvent[] {
    const { tableId, schemaName, tableName, columnNames } = event as Extract<AnyBinlogEvent, { schemaName: string }> & {
      columnNames?: readonly string[];
    };
    const name = `${schemaName}.${tableName}`;
    if (name === this.#options.bookkeeping) {
      this.#tables.delete(tableId);
      return [{ kind: 'bookkeeping' }];
    }
    if (columnNames === undefined)
      throw new CaptureStoppedError(
        `rows of ${name} were written without the names of their columns: binlog_row_metadata was not FULL then, perhaps in a session that is older than the setting`,
        { reason: 'unreadable' },
      );
    const columns = this.#schemaOf(event, tableId);
    const known = this.#tables.get(tableId);
    // The same object for the same columns, so that they are compared with the entity once.
    if (known === undefined || known.name !== name || !isSame(known.columns, columns)) this.#tables.set(tableId, { name, columns });
    return [];
  }

  #schemaOf(event: AnyBinlogEvent, tableId: number): LoggedTable['columns'] {
    const { tableMap } = event as unknown as {
      tableMap: Record<number, { columnSchemas: { COLUMN_NAME: string; COLUMN_TYPE: string }[] }>;
    };
    return (tableMap[tableId]?.columnSchemas ?? []).map(({ COLUMN_NAME: name, COLUMN_TYPE: type }) => ({ name, type }));
  }

  #rows(event: AnyBinlogEvent): readonly LogEvent[] {
    const { tableId, rows } = event as unknown as { tableId: number; rows: Record<string, unknown>[] };
    const table = this.#tables.get(tableId);
    if (table === undefined || !this.#wanted.has(table.name)) return [];
    const isInsert = event.getTypeName() === 'WriteRows';
    const changes = rows.map((row): RowChange => {
      if (isInsert) return { table, kind: 'insert', after: row, before: undefined };
      const { before, after } = row as { before: Record<string, unknown>; after: Record<string, unknown> };
      return { table, kind: 'update', after, before };
    });
    return [{ kind: 'rows', changes }];
  }

  #closes(event: AnyBinlogEvent): { end: BinlogPoint; at: number } {
    const { nextPosition, timestamp } = event as unknown as { nextPosition: number; timestamp: number };
    const { gtid } = event as unknown as { gtid?: string };
    if (gtid !== undefined) this.#gtids?.add(gtid);
    // Beyond 4 GiB of one file the number overflows; the last one that did not is a safe place to begin again.
    if (nextPosition > this.#position) this.#position = nextPosition;
    return { end: { file: this.#file, position: this.#position, gtidSet: this.#gtids?.toString() }, at: timestamp };
  }
}

const isSame = (left: LoggedTable['columns'], right: LoggedTable['columns']): boolean =>
  left.length === right.length && left.every(({ name, type }, index) => name === right[index]!.name && type === right[index]!.type);

interface Gtids {
  add(gtid: string): void;
  toString(): string;
}

const gtidsOf = (text: string, isMariadb: boolean): Gtids => {
  if (!isMariadb) return GtidSet.parse(text);
  const position = MariadbGtidPosition.parse(text);
  return {
    add: (gtid) => {
      const [domainId, serverId, seqNo] = gtid.split('-') as [string, string, string];
      position.add({ domainId: Number(domainId), serverId: Number(serverId), seqNo });
    },
    toString: () => position.toString(),
  };
};
