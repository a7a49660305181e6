import { ConfigurationError } from '../errors.ts';
import type { SidePool } from './side-pool.ts';

/** What differs between the servers. */
export interface ServerFlavour {
  readonly name: 'MariaDB' | 'MySQL';
  readonly version: string;
  /** Database clock minus ours, at the least. */
  readonly clockOffsetMs: number;
  /** Suffix of a SELECT that takes a shared lock or says at once that it cannot. */
  readonly shareNowait: string;
}

/** Half of what a marker may be old: a transaction of now must not look like one whose marker was purged. */
const MAX_CLOCK_OFFSET_MS = 30 * 60_000;

/**
 * Looks at the server and refuses what the fences do not hold on: versions without NOWAIT, a read-only server (a replica
 * would answer from the past), several writers, a clock far from ours.
 */
export async function inspectServer(side: SidePool): Promise<ServerFlavour> {
  const askedAt = Date.now();
  const [server] = await side.query<{ version: string; readOnly: number; now: number | string }>(
    'select version() as version, @@global.read_only as readOnly, unix_timestamp(now(3)) * 1000 as now',
  );
  const answeredAt = Date.now();
  const version = server?.version ?? '';
  const name = /mariadb/i.test(version) ? 'MariaDB' : 'MySQL';
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number);
  const isOld = name === 'MariaDB' ? major < 10 || (major === 10 && minor < 6) : major < 8;
  if (isOld)
    throw new ConfigurationError(`the database is ${name} ${version}; the fences need MySQL 8.0 or MariaDB 10.6, which know NOWAIT`);
  if (Number(server?.readOnly) === 1)
    throw new ConfigurationError(`the database (${name} ${version}) is read-only: give the publisher the primary, never a replica`);
  const variables = await side.query<{ Variable_name: string; Value: string }>(
    "show global variables where variable_name in ('wsrep_on', 'wsrep_provider', 'group_replication_single_primary_mode')",
  );
  const value = (wanted: string): string => variables.find(({ Variable_name }) => Variable_name.toLowerCase() === wanted)?.Value ?? '';
  if (value('wsrep_on') === 'ON' && !['', 'none'].includes(value('wsrep_provider'))) {
    throw new ConfigurationError(
      "the database is a Galera cluster: its nodes do not see each other's locks, so a check-back on another node could answer ROLLBACK for an open transaction",
    );
  }
  const [members] = await side.query<{ count: number | string }>(
    "select count(*) as count from information_schema.tables where table_schema = 'performance_schema' and table_name = 'replication_group_members'",
  );
  if (Number(members?.count) > 0 && value('group_replication_single_primary_mode') === 'OFF') {
    throw new ConfigurationError(
      "the database is a group with several primaries: they do not see each other's locks; use single-primary mode",
    );
  }
  // Between asking and answering anything is possible; only what lies outside is an offset for certain.
  const serverNow = Number(server?.now);
  const clockOffsetMs = serverNow < askedAt ? serverNow - askedAt : Math.max(0, serverNow - answeredAt);
  if (Math.abs(clockOffsetMs) > MAX_CLOCK_OFFSET_MS) {
    throw new ConfigurationError(
      `the clocks of this machine and of the database differ by ${Math.round(clockOffsetMs / 1_000)} s; the age of a transaction could not be judged: synchronise them`,
    );
  }
  return { name, version, clockOffsetMs, shareNowait: name === 'MariaDB' ? 'lock in share mode nowait' : 'for share nowait' };
}

/**
 * Refuses a proxy that runs the statements of one connection in several sessions of the server: the session lock would be
 * taken in one and the transaction run in another. Seen by the server's own id of a session, which is not the one our
 * connection was greeted with. A proxy that pins a session as soon as GET_LOCK is used is refused with it.
 */
export async function refuseMultiplexing(side: SidePool): Promise<void> {
  const { greetedAs, runsAs } = await side.sessionIds();
  if (greetedAs !== runsAs) {
    throw new ConfigurationError(
      `a proxy stands between this service and the database (connection ${greetedAs} runs in session ${runsAs}): the session lock of rowExists with half: 'first' or 'overlapped' does not hold through it; use half: 'beforeCommit', or connect directly`,
    );
  }
}
