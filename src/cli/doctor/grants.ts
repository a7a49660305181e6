import { access, constants } from 'node:fs/promises';
import { ENGINE_ENTITIES } from '../../../schema/engine.ts';
import { sqlitePath } from '../../store/sqlite-url.ts';
import { rowsOf } from './database-checks.ts';
import { CannotLook, type Finding, fail, ok, warn } from './finding.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

export type Privilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';

/** Written once and never changed: the raw requests and responses, and what people decided. */
const APPEND_ONLY = new Set([
  'external_call_attempt',
  'external_call_response',
  'dead_letter_action',
  'reconciliation_break_action',
  'saga_decision',
]);
/** Cleaned up by the engine itself. */
const CLEANED = new Set(['transaction_marker', 'processed_message', 'outbox_message', 'reconciliation_item', 'worker_heartbeat']);
/** ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR. */
const DENIED = new Set([1044, 1142, 1143]);

/** What the engine does with a table of its own. */
export function neededOn(table: string): readonly Privilege[] {
  if (APPEND_ONLY.has(table)) return ['SELECT', 'INSERT'];
  return CLEANED.has(table) ? ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] : ['SELECT', 'INSERT', 'UPDATE'];
}

/** Asked of the server by EXPLAIN, which needs the privileges of the statement and runs nothing: roles and wildcards are its business. */
export const grantsCheck: DoctorCheck<Patient> = {
  name: 'grants',
  timeLimitMs: 20_000,
  async look(patient) {
    const orm = await patient.database();
    if (patient.isSqlite) {
      const path = sqlitePath(patient.config.databaseUrl);
      const isWritable = await access(path, constants.W_OK).then(
        () => true,
        () => false,
      );
      return [isWritable ? ok('this user may write the file') : fail(`this user may not write ${path}`, `chmod u+w ${path}`)];
    }
    const tables = ENGINE_ENTITIES.map(({ meta }) => meta.tableName);
    const columns = await rowsOf<{ name: string; column: string }>(
      orm,
      'select table_name as `name`, column_name as `column` from information_schema.columns where table_schema = database() and ordinal_position = 1',
    );
    const visible = new Map(columns.map(({ name, column }) => [name, column]));
    const existing = tables.filter((table) => visible.has(table));
    if (existing.length === 0) throw new CannotLook("none of the engine's tables is there, or this user may see none of them");
    const has = async (table: string, privilege: Privilege): Promise<boolean> => {
      try {
        await rowsOf(orm, `explain ${statementFor(privilege, table, visible.get(table)!)}`);
        return true;
      } catch (error) {
        // Whatever else goes wrong here comes after the privileges were looked at.
        return !DENIED.has((error as { errno?: number }).errno ?? 0);
      }
    };
    const missing: string[] = [];
    const changeable: string[] = [];
    for (const table of existing) {
      for (const privilege of neededOn(table)) if (!(await has(table, privilege))) missing.push(`GRANT ${privilege} ON ${table}`);
      if (APPEND_ONLY.has(table) && ((await has(table, 'UPDATE')) || (await has(table, 'DELETE')))) changeable.push(table);
    }
    return judgeGrants(missing, changeable);
  },
};

export function judgeGrants(missing: readonly string[], changeable: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  if (missing.length > 0)
    findings.push(
      fail(`this user lacks ${missing.map((grant) => grant.slice('GRANT '.length).toLowerCase()).join(', ')}`, missing.join('; ')),
    );
  if (changeable.length > 0)
    findings.push(
      warn(
        `this user may change or delete evidence, which the engine never does: ${changeable.join(', ')}`,
        `grant SELECT and INSERT alone on these tables: grants of a whole database cannot be taken back for one table, so grant table by table`,
      ),
    );
  return findings.length > 0 ? findings : [ok("enough for the engine's tables, and evidence cannot be changed")];
}

const statementFor = (privilege: Privilege, table: string, column: string): string =>
  ({
    SELECT: `select 1 from \`${table}\``,
    INSERT: `insert into \`${table}\` (\`${column}\`) select \`${column}\` from \`${table}\` where 1 = 0`,
    UPDATE: `update \`${table}\` set \`${column}\` = \`${column}\` where 1 = 0`,
    DELETE: `delete from \`${table}\` where 1 = 0`,
  })[privilege];
