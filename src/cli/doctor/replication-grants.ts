import { queryMysql } from '../stack/mysql-probe.ts';
import { type Finding, fail, ok, skipped } from './finding.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

/** Whoever reads the binlog poses as a replica. */
export const replicationGrantsCheck: DoctorCheck<Patient> = {
  name: 'binlog grants',
  timeLimitMs: 12_000,
  async look({ config, isSqlite }) {
    if (config.strategy !== 'changeDataCapture') return [skipped('not checked: nothing is published from the binlog')];
    if (isSqlite) return [fail('a SQLite file has no binlog', 'take another strategy, or a server')];
    const rows = (await queryMysql(config.changeDataCapture?.binlogUrl ?? config.databaseUrl, 'show grants')) as Record<string, string>[];
    return [judgeReplicationGrants(rows.flatMap((row) => Object.values(row)))];
  },
};

/** By the lines of SHOW GRANTS. MariaDB calls REPLICATION CLIENT by a name of its own. */
export function judgeReplicationGrants(grants: readonly string[]): Finding {
  const everywhere = grants
    .filter((grant) => / ON \*\.\* /.test(grant))
    .map((grant) => grant.slice(0, grant.indexOf(' ON *.* ')).toUpperCase());
  const has = (...names: string[]): boolean =>
    everywhere.some((grant) => grant.includes('ALL PRIVILEGES') || names.some((name) => grant.includes(name)));
  const missing = [
    ...(has('REPLICATION SLAVE', 'REPLICATION REPLICA') ? [] : ['REPLICATION SLAVE']),
    ...(has('REPLICATION CLIENT', 'BINLOG MONITOR') ? [] : ['REPLICATION CLIENT']),
  ];
  if (missing.length === 0) return ok('its user may read the binlog');
  return fail(`the user that reads the binlog lacks ${missing.join(' and ')}`, `GRANT ${missing.join(', ')} ON *.* TO that user`);
}
