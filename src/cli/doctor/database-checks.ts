import { stat } from 'node:fs/promises';
import { ConfigurationError } from '../../errors.ts';
import { messageOf } from '../../shared/error-message.ts';
import { inspectServer, refuseMultiplexing } from '../../store/server-checks.ts';
import { SidePool } from '../../store/side-pool.ts';
import { sqlitePath } from '../../store/sqlite-url.ts';
import { fenceOf } from '../../transaction/transaction-database.ts';
import type { Orm } from '../compose.ts';
import { CannotLook, type Finding, fail, ok, warn } from './finding.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

/** More than two machines that ask the same time servers differ by. */
const NOTICEABLE_OFFSET_MS = 1_000;
const ER_NO_SUCH_TABLE = 1146;

/** Runs one statement and gives its rows. */
export const rowsOf = <Row>(orm: Orm, sql: string, parameters: unknown[] = []): Promise<Row[]> =>
  orm.em.getConnection('write').execute<Row[]>(sql, parameters);

export const databaseCheck: DoctorCheck<Patient> = {
  name: 'database',
  timeLimitMs: 12_000,
  async look(patient) {
    const { databaseUrl } = patient.config;
    let orm: Orm;
    try {
      orm = await patient.openDatabase();
    } catch (error) {
      const advice = patient.isSqlite
        ? 'run "checkback migrate up", which makes the file; if it is there, see that this user may write it and its folder'
        : 'start the database, or correct CHECKBACK_DATABASE_URL (or "databaseUrl"): host, port, user, password and the name of a database that exists';
      return [fail(messageOf(error), advice)];
    }
    if (patient.isSqlite) {
      const { size } = await stat(sqlitePath(databaseUrl));
      const says = `SQLite file ${sqlitePath(databaseUrl)}, ${Math.ceil(size / 1024)} KiB: for demos, development and tests`;
      return [ok(says)];
    }
    const [row] = await rowsOf<{ version: string }>(orm, 'select version() as version');
    const version = row?.version ?? '';
    return [ok(`${/mariadb/i.test(version) ? 'MariaDB' : 'MySQL'} ${version} at ${new URL(databaseUrl).host}`)];
  },
};

/** What a publisher refuses at its start, found before it starts. */
export const primaryCheck: DoctorCheck<Patient> = {
  name: 'primary',
  timeLimitMs: 12_000,
  look: (patient) =>
    onServer(patient, async (side) => {
      const { name, version } = await inspectServer(side);
      const listeners = patient.config.transactionListeners ?? [];
      if (listeners.some(({ lookup, half }) => fenceOf(lookup, half) === 'session-lock')) await refuseMultiplexing(side);
      return [ok(`one writable ${name} ${version} that knows NOWAIT, reached without a multiplexing proxy`)];
    }),
};

export const databaseClockCheck: DoctorCheck<Patient> = {
  name: 'database clock',
  timeLimitMs: 12_000,
  look: (patient) =>
    onServer(patient, async (side) => {
      // The first answer includes the time it took to connect.
      await inspectServer(side);
      return [judgeOffset((await inspectServer(side)).clockOffsetMs)];
    }),
};

export function judgeOffset(offsetMs: number): Finding {
  if (Math.abs(offsetMs) < NOTICEABLE_OFFSET_MS) return ok("its clock agrees with this machine's");
  return warn(
    `its clock is ${(Math.abs(offsetMs) / 1_000).toFixed(1)} s ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's; from 30 minutes on publishers refuse to start`,
    'synchronise the clocks (NTP) of database and services',
  );
}

async function onServer(patient: Patient, look: (side: SidePool) => Promise<Finding[]>): Promise<Finding[]> {
  if (patient.isSqlite) throw new CannotLook('a SQLite file has no server');
  const side = await SidePool.beside(await patient.database(), 1);
  try {
    return await look(side);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return [fail(error.message, 'give publishers and workers a single primary of MySQL 8.0 or MariaDB 10.6 or newer, reached directly')];
  } finally {
    await side.close();
  }
}

export const migrationsCheck: DoctorCheck<Patient> = {
  name: 'migrations',
  timeLimitMs: 12_000,
  async look(patient) {
    const orm = await patient.database();
    const wanted = (orm.config.get('migrations').migrationsList ?? []).map((migration) => (migration as { name: string }).name);
    let done: Set<string>;
    try {
      // Not by the migrator, which makes its table first.
      done = new Set((await rowsOf<{ name: string }>(orm, 'select name from checkback_migrations')).map(({ name }) => name));
    } catch (error) {
      if (!isNoSuchTable(error)) throw error;
      done = new Set();
    }
    const pending = wanted.filter((name) => !done.has(name));
    if (pending.length === 0) return [ok(`all ${wanted.length} are applied`)];
    const names = pending.length > 3 ? `${pending.slice(0, 3).join(', ')} and ${pending.length - 3} more` : pending.join(', ');
    return [
      fail(`${pending.length} of ${wanted.length} are pending: ${names}`, 'run "checkback migrate up" as a user who may create tables'),
    ];
  },
};

function isNoSuchTable(error: unknown): boolean {
  return (error as { errno?: number }).errno === ER_NO_SUCH_TABLE || /no such table/.test(messageOf(error));
}
