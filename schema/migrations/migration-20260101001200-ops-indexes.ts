import { Migration } from '@mikro-orm/migrations';

/** What the ops page finds rows by, so that none of its views reads a table from end to end. */
const INDEXES: readonly (readonly [table: string, name: string, columns: string])[] = [
  ['external_call', 'external_call_correlation', 'correlation_id, id'],
  ['external_call', 'external_call_name_status', 'call_name, status, id'],
  ['external_call_attempt', 'external_call_attempt_opened', 'opened_at'],
  ['external_call_response', 'external_call_response_closed', 'closed_at, status'],
  ['status_check', 'status_check_correlation', 'correlation_id'],
  ['saga_instance', 'saga_instance_correlation', 'correlation_id'],
  ['dead_letter', 'dead_letter_correlation', 'correlation_id, id'],
  ['reconciliation_break', 'reconciliation_break_any_statement', 'reference'],
  ['parked_half_rescue', 'parked_half_rescue_transaction', 'transaction_id'],
];

/**
 * Dead letters know the order they belong to. MySQL commits each statement by itself and has no "if not exists" for
 * columns and indexes, so what is there already is looked up: all of them may be run again.
 */
export class Migration20260101001200OpsIndexes extends Migration {
  override async up(): Promise<void> {
    const [column] = (await this.execute(
      `select 1 from information_schema.columns
       where table_schema = database() and table_name = 'dead_letter' and column_name = 'correlation_id'`,
    )) as object[];
    if (column === undefined) this.addSql('alter table dead_letter add column correlation_id varchar(128) null after idempotency_key');
    this.addSql(`update dead_letter set correlation_id =
      left(coalesce(json_unquote(json_extract(properties, '$."checkback-correlation-id"')), message_id), 128) where correlation_id is null`);
    for (const [table, name, columns] of INDEXES)
      if (!(await this.#has(table, name))) this.addSql(`create index ${name} on ${table} (${columns})`);
  }

  override async down(): Promise<void> {
    for (const [table, name] of INDEXES) if (await this.#has(table, name)) this.addSql(`drop index ${name} on ${table}`);
    this.addSql('alter table dead_letter drop column correlation_id');
  }

  async #has(table: string, name: string): Promise<boolean> {
    const found = (await this.execute(
      `select 1 from information_schema.statistics
       where table_schema = database() and table_name = '${table}' and index_name = '${name}' limit 1`,
    )) as object[];
    return found.length > 0;
  }
}
