import { type Finding, fail, ok, warn } from './finding.ts';
import { rowsOf } from './database-checks.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

const FILE = 'docker/mysql/my.cnf shows the settings and says why';
/** Raw requests and responses of a batch of calls go in one packet. */
const SMALLEST_PACKET = 16 * 1024 * 1024;

/** Settings of the server that a promise rests on. */
export const durabilityCheck: DoctorCheck<Patient> = {
  name: 'durability',
  timeLimitMs: 12_000,
  async look(patient) {
    const orm = await patient.database();
    if (patient.isSqlite) {
      const [row] = await rowsOf<{ journal_mode: string }>(orm, 'pragma journal_mode');
      return [ok(`journal mode ${row?.journal_mode ?? 'unknown'}`)];
    }
    const rows = await rowsOf<{ Variable_name: string; Value: string }>(
      orm,
      "show global variables where variable_name in ('innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'binlog_format', 'binlog_row_image', 'max_allowed_packet', 'transaction_isolation', 'tx_isolation')",
    );
    const variables = new Map(rows.map(({ Variable_name, Value }) => [Variable_name.toLowerCase(), Value]));
    return judgeVariables(variables, patient.config.strategy ?? 'halfMessage');
  },
};

/** What of a server's variables weakens a promise. */
export function judgeVariables(variables: ReadonlyMap<string, string>, strategy: string): Finding[] {
  const findings: Finding[] = [];
  const value = (name: string): string => variables.get(name)?.toUpperCase() ?? '';
  if (value('innodb_flush_log_at_trx_commit') !== '1')
    findings.push(
      fail(
        `innodb_flush_log_at_trx_commit=${value('innodb_flush_log_at_trx_commit')}: a power cut undoes orders that were told committed`,
        `set innodb_flush_log_at_trx_commit=1; ${FILE}`,
      ),
    );
  const hasBinlog = value('log_bin') === 'ON';
  if (hasBinlog && value('sync_binlog') !== '1')
    findings.push(
      warn(
        `sync_binlog=${value('sync_binlog')}: after a power cut replicas and point-in-time recovery may lack orders that are here`,
        `set sync_binlog=1; ${FILE}`,
      ),
    );
  if (strategy === 'changeDataCapture') findings.push(...judgeBinlog(hasBinlog, value));
  const isolation = value('transaction_isolation') || value('tx_isolation');
  if (isolation === 'READ-UNCOMMITTED')
    findings.push(
      fail(
        'the isolation level is READ-UNCOMMITTED: listeners read what may be undone',
        'set transaction_isolation=READ-COMMITTED or REPEATABLE-READ',
      ),
    );
  if (isolation === 'SERIALIZABLE')
    findings.push(
      warn(
        'the isolation level is SERIALIZABLE: every read of a listener locks',
        'set transaction_isolation=READ-COMMITTED or REPEATABLE-READ',
      ),
    );
  const packet = Number(variables.get('max_allowed_packet'));
  if (packet < SMALLEST_PACKET)
    findings.push(
      warn(
        `max_allowed_packet is ${Math.round(packet / 1024 / 1024)} MiB: the evidence of several large answers may not fit`,
        `set max_allowed_packet=64M; ${FILE}`,
      ),
    );
  if (findings.length > 0) return findings;
  return [ok(`a COMMIT is on disk when it is told${hasBinlog ? ', in the binlog too' : ''}; isolation ${isolation || 'unknown'}`)];
}

function judgeBinlog(hasBinlog: boolean, value: (name: string) => string): Finding[] {
  const advice = `set log_bin, binlog_format=ROW and binlog_row_image=FULL; ${FILE}`;
  if (!hasBinlog) return [fail('the server writes no binlog, which strategy changeDataCapture publishes from', advice)];
  const findings: Finding[] = [];
  for (const [name, wanted] of Object.entries({ binlog_format: 'ROW', binlog_row_image: 'FULL' }))
    if (value(name) !== wanted) findings.push(fail(`${name}=${value(name)}: strategy changeDataCapture needs ${wanted}`, advice));
  return findings;
}
