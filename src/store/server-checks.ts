import { ConfigurationError } from '../errors.ts';
import type { Logger } from '../shared/logger.ts';
import type { SidePool } from './side-pool.ts';

/** What differs between the servers. */
export interface ServerFlavour {
  readonly name: 'MariaDB' | 'MySQL';
  readonly version: string;
  /** Suffix of a SELECT that takes a shared lock or says at once that it cannot. */
  readonly shareNowait: string;
}

/**
 * Looks at the server and refuses what the fences do not hold on: versions without NOWAIT, a read-only server (a replica
 * would answer from the past), several writers. What cannot be seen from here, a multiplexing proxy in between, is seen
 * by its effect: two statements of one reserved connection that run in different sessions.
 */
export async function inspectServer(side: SidePool, _logger?: Logger): Promise<ServerFlavour> {
  const [server] = await side.query<{ version: string; readOnly: number }>('select version() as version, @@global.read_only as readOnly');
  const version = server?.version ?? '';
  const name = /mariadb/i.test(version) ? 'MariaDB' : 'MySQL';
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number);
  const isOld = name === 'MariaDB' ? major < 10 || (major === 10 && minor < 6) : major < 8;
  if (isOld) throw new ConfigurationError(`the database is ${name} ${version}; the fences need MySQL 8.0 or MariaDB 10.6, which know NOWAIT`);
  if (Number(server?.readOnly) === 1) throw new ConfigurationError(`the database (${name} ${version}) is read-only: give the publisher the primary, never a replica`);
  const variables = await side.query<{ Variable_name: string; Value: string }>(
    "show global variables where variable_name in ('wsrep_on', 'wsrep_provider', 'group_replication_single_primary_mode')",
  );
  const value = (wanted: string): string => variables.find(({ Variable_name }) => Variable_name.toLowerCase() === wanted)?.Value ?? '';
  if (value('wsrep_on') === 'ON' && !['', 'none'].includes(value('wsrep_provider'))) {
    throw new ConfigurationError('the database is a Galera cluster: its nodes do not see each other\'s locks, so a check-back on another node could answer ROLLBACK for an open transaction');
  }
  const [members] = await side.query<{ count: number | string }>(
    "select count(*) as count from information_schema.tables where table_schema = 'performance_schema' and table_name = 'replication_group_members'",
  );
  if (Number(members?.count) > 0 && value('group_replication_single_primary_mode') === 'OFF') {
    throw new ConfigurationError('the database is a group with several primaries: they do not see each other\'s locks; use single-primary mode');
  }
  return { name, version, shareNowait: name === 'MariaDB' ? 'lock in share mode nowait' : 'for share nowait' };
}
