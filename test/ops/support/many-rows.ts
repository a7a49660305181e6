import type { MikroORM } from '@mikro-orm/mysql';

/** How each table of the page is filled: columns and what they hold, by the number `n` of the row. */
const TABLES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  external_call: {
    call_name: `concat('call-', n mod 5)`,
    idempotency_key: `concat('key-', n)`,
    correlation_id: `concat('order-', n)`,
    status: `elt(1 + (n mod 20 = 0) + (n mod 20 = 1) * 2 + (n mod 20 = 2) * 3, 'SUCCESS', 'PENDING', 'FAIL', 'UNKNOWN')`,
    attempts: '1',
    created_at: `utc_timestamp(3) - interval n mod 7200 second`,
    updated_at: `utc_timestamp(3) - interval n mod 7200 second`,
  },
  external_call_attempt: {
    call_id: 'n + 1',
    attempt: '1',
    correlation_id: `concat('order-', n)`,
    origin: `'bank'`,
    method: `'POST'`,
    path: `'/payments'`,
    headers: `'[["content-type","application/json"]]'`,
    body_state: `'RAW'`,
    body: `'{"orderId":"order-1","amountMinor":4200,"currency":"EUR"}'`,
    body_bytes: '57',
    body_sha256: `repeat('x', 32)`,
    opened_at: `utc_timestamp(3) - interval n mod 7200 second`,
  },
  external_call_response: {
    call_id: 'n + 1',
    attempt: '1',
    status: `elt(1 + (n mod 20 = 0), 'SUCCESS', 'FAIL')`,
    http_status: '200',
    headers: `'[["content-type","application/json"]]'`,
    body_state: `'RAW'`,
    body: `'{"paid":true}'`,
    body_bytes: '13',
    body_sha256: `repeat('x', 32)`,
    connect_ms: '1',
    total_ms: '20',
    closed_at: `utc_timestamp(3) - interval n mod 7200 second`,
  },
  status_check: {
    call_name: `concat('call-', n mod 5)`,
    idempotency_key: `concat('key-', n)`,
    listener: `'charge'`,
    correlation_id: `concat('order-', n)`,
    topic: `'orders'`,
    tag: `''`,
    message_keys: `'[]'`,
    properties: `'{}'`,
    body: `''`,
    message_id: `'m'`,
    delivery_attempt: '1',
    state: `elt(1 + n mod 4, 'DONE', 'DUE', 'RETRY', 'REVIEW')`,
    unknown_since: `utc_timestamp(3) - interval n second`,
    next_check_at: `utc_timestamp(3)`,
    created_at: `utc_timestamp(3)`,
    updated_at: `utc_timestamp(3)`,
  },
  dead_letter: {
    topic: `'orders'`,
    consumer_group: `'payments'`,
    identity: `concat('i-', n)`,
    message_id: `concat('m-', n)`,
    tag: `''`,
    message_keys: `'[]'`,
    properties: `'{}'`,
    body: `'{}'`,
    body_sha256: `repeat('x', 32)`,
    reason: `'POISON'`,
    reason_text: `'no'`,
    error_chain: `'[]'`,
    delivery_attempts: '1',
    first_failed_at: `utc_timestamp(3)`,
    last_failed_at: `utc_timestamp(3)`,
    correlation_id: `concat('order-', n)`,
    state: `elt(1 + (n mod 50 = 0), 'RESOLVED', 'OPEN')`,
  },
  dead_letter_action: { dead_letter_id: 'n + 1', action: `'KEPT'`, actor: `'worker'`, at: `utc_timestamp(3)` },
  saga_instance: {
    id: `concat('saga-', n)`,
    saga: `'fulfil'`,
    version: '1',
    fingerprint: `'f'`,
    input: `'{}'`,
    correlation_id: `concat('order-', n)`,
    status: `elt(1 + n mod 6, 'RUNNING', 'COMPENSATING', 'PARKED', 'COMPLETED', 'COMPENSATED', 'ABANDONED')`,
    created_at: `utc_timestamp(3)`,
    updated_at: `utc_timestamp(3) - interval n second`,
  },
  saga_step: {
    saga_id: `concat('saga-', n)`,
    step: '0',
    direction: `'action'`,
    name: `'reserve'`,
    status: `'DONE'`,
    started_at: `utc_timestamp(3)`,
    updated_at: `utc_timestamp(3)`,
  },
  saga_decision: {
    saga_id: `concat('saga-', n)`,
    kind: `'retry'`,
    decided_by: `'ada'`,
    why: `'so'`,
    step: '0',
    direction: `'action'`,
    decided_at: `utc_timestamp(3)`,
  },
  outbox_message: {
    transaction_id: `concat('order-', n)`,
    seq: '0',
    topic: `'orders'`,
    tag: `''`,
    message_keys: `'[]'`,
    properties: `'{}'`,
    body: `''`,
    state: `elt(1 + n mod 4, 'WAITING', 'SENT', 'PARKED', 'DISCARDED')`,
    due_at: `utc_timestamp(3)`,
    created_at: `utc_timestamp(3)`,
    updated_at: `utc_timestamp(3)`,
  },
  transaction_marker: { id: `concat('order-', n)`, state: '1' },
  processed_message: { listener: `'charge'`, idempotency_key: `concat('key-', n)`, processed_at: `utc_timestamp(3)` },
  parked_half_rescue: {
    message_id: `concat('m-', n)`,
    topic: `'orders'`,
    transaction_id: `concat('order-', n)`,
    rescued_by: `'ada'`,
    rescued_at: `utc_timestamp(3)`,
  },
  reconciliation_run: {
    kind: `'open'`,
    name: `''`,
    scope: `'{}'`,
    status: `'DONE'`,
    totals: `'{"REVIEW":1}'`,
    started_at: `utc_timestamp(3)`,
    updated_at: `utc_timestamp(3)`,
  },
  reconciliation_item: {
    run_id: '1 + n mod 3',
    call_name: `concat('call-', n mod 5)`,
    idempotency_key: `concat('key-', n)`,
    verdict: `elt(1 + (n mod 7 = 0), 'SUCCESS', 'REVIEW')`,
    updated_at: `utc_timestamp(3)`,
  },
  reconciliation_break: {
    statement: `'bank'`,
    call_name: `concat('call-', n mod 5)`,
    day: `'2026-01-01'`,
    reference: `concat('key-', n)`,
    kind: `'MISSING_THERE'`,
    occurrence: '0',
    state: `elt(1 + (n mod 50 = 0), 'RESOLVED', 'OPEN')`,
    decided_through: `'policy'`,
    decided_at: `utc_timestamp(3)`,
    last_run: '1',
    last_pass: '1',
    found_at: `utc_timestamp(3)`,
  },
  reconciliation_break_action: { break_id: 'n + 1', action: `'FOUND'`, actor: `'statement'`, at: `utc_timestamp(3)`, why: `'so'` },
  statement_run: {
    statement: `'bank'`,
    call_name: `'call-1'`,
    day: `'2026-01-01'`,
    sha256: `''`,
    source: `'file'`,
    their_lines: '1',
    our_rows: '1',
    started_at: `utc_timestamp(3)`,
  },
  worker_heartbeat: {
    worker_id: `concat('worker-', n)`,
    owner: `'shop'`,
    host: `'h'`,
    pid: '1',
    started_at: `utc_timestamp(3)`,
    // All but a few died long ago.
    seen_at: `utc_timestamp(3) - interval if(n < 3, 0, 1) hour`,
    report: `'{"stats":{},"circuits":[]}'`,
  },
};

/** Those whose rows are known by something else. */
const WITHOUT_NUMBER = ['saga_instance', 'saga_step', 'transaction_marker', 'processed_message', 'parked_half_rescue', 'worker_heartbeat'];

/** The tables with the most rows of a busy service; the others have a thousandth of theirs. */
export const BUSY: readonly string[] = ['external_call', 'external_call_attempt', 'external_call_response'];

/** Fills every table with as many rows as `rowsOf` says, MySQL's way, and lets the database count them. */
export async function fillTables(orm: MikroORM, rowsOf: (table: string) => number): Promise<void> {
  const connection = orm.em.getConnection();
  const digits = (name: string): string =>
    `(select 0 as d union all select 1 union all select 2 union all select 3 union all select 4
      union all select 5 union all select 6 union all select 7 union all select 8 union all select 9) as ${name}`;
  for (const [table, described] of Object.entries(TABLES)) {
    // Numbered here, because the database leaves gaps between statements.
    const columns = WITHOUT_NUMBER.includes(table) ? described : { id: 'n + 1', ...described };
    const rows = rowsOf(table);
    for (let from = 0; from < rows; from += 10_000) {
      await connection.execute(
        `insert into ${table} (${Object.keys(columns).join(', ')}) select ${Object.values(columns).join(', ')} from (
           select ${from} + a.d + 10 * b.d + 100 * c.d + 1000 * e.d as n
           from ${['a', 'b', 'c', 'e'].map(digits).join(' cross join ')}) as numbers where n < ${rows} order by n`,
      );
    }
    await connection.execute(`analyze table ${table}`);
  }
}
