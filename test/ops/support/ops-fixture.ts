import { hash } from 'node:crypto';
import type { MikroORM } from '@mikro-orm/mysql';
import type { Bind } from '../../../src/store/statements.ts';
import { statementsOn } from '../../../src/store/statements.ts';

/** What no page may ever run, and every page must show as the text it is. */
export const CANARY = `"'><img src=x onerror=alert(4711)><script>alert(4711)</script>&lt;b&gt;`;
/** The same for the columns that are short. */
export const SHORT_CANARY = `<img src=x onerror=alert(1)>`;

export const insert = async (orm: MikroORM, table: string, row: Readonly<Record<string, Bind>>): Promise<number> => {
  const names = Object.keys(row);
  const sql = `insert into ${table} (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`;
  return (await statementsOn(orm.em.getConnection('write')).run(sql, Object.values(row))).insertId;
};

export const NOW = new Date('2026-03-01T12:00:00.000Z');
export const after = (ms: number): Date => new Date(NOW.getTime() + ms);
const sha256 = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer');

/** Outside text of an order: what the fixtures put into every field that can hold some. */
export interface FixtureTexts {
  readonly long: string;
  /** At most 40 characters. */
  readonly short: string;
}

export const PLAIN: FixtureTexts = { long: 'as it was said', short: 'said' };
export const HOSTILE: FixtureTexts = { long: CANARY, short: SHORT_CANARY };

export interface OrderFixture {
  readonly correlationId: string;
  readonly key: string;
  readonly callName: string;
  readonly callId: number;
  readonly letterId: number;
  readonly breakId: number;
  readonly runId: number;
  readonly sagaId: string;
  readonly transactionId: string;
}

/**
 * One order that went through everything: a row, two attempts, an unknown outcome before a person, a saga that is parked,
 * a dead letter, a break and a reconciliation item.
 */
export async function insertOrder(orm: MikroORM, name: string, text: FixtureTexts = PLAIN): Promise<OrderFixture> {
  const key = `${name} ${text.short}`;
  const callName = `charge ${text.short}`;
  const correlationId = `c-${name} ${text.long}`.slice(0, 128);
  const transactionId = `tx-${name}`.slice(0, 36);
  const of = { call_name: callName, idempotency_key: key };
  const callId = await insert(orm, 'external_call', {
    ...of,
    correlation_id: correlationId,
    status: 'UNKNOWN',
    attempts: 2,
    last_error_code: text.short,
    created_at: after(1_000),
    updated_at: after(9_000),
  });
  const body = Buffer.from(JSON.stringify({ name, text: text.long }));
  await insertAttempts(orm, { callId, correlationId, text, body });
  const message = {
    topic: text.long,
    tag: text.long,
    message_keys: JSON.stringify([text.long]),
    properties: JSON.stringify({ 'checkback-tx': transactionId, 'checkback-correlation-id': correlationId, other: text.long }),
    body,
    message_id: text.long,
  };
  await insert(orm, 'status_check', {
    ...of,
    ...message,
    listener: text.long,
    correlation_id: correlationId,
    delivery_attempt: 1,
    state: 'REVIEW',
    unknown_since: after(9_000),
    checks: 3,
    next_check_at: after(60_000),
    last_said: 'NONE',
    last_error_code: text.short,
    created_at: after(9_000),
    updated_at: after(9_000),
  });
  const letterId = await insert(orm, 'dead_letter', {
    ...of,
    ...message,
    consumer_group: text.long,
    identity: `${name}-identity`,
    listener: text.long,
    body_sha256: sha256(body),
    reason: 'POISON',
    reason_text: text.long,
    error_chain: JSON.stringify([{ name: text.long, code: text.long, message: text.long }]),
    delivery_attempts: 16,
    first_failed_at: after(20_000),
    last_failed_at: after(20_000),
    correlation_id: correlationId,
    state: 'OPEN',
  });
  await insert(orm, 'dead_letter_action', {
    dead_letter_id: letterId,
    action: 'KEPT',
    actor: text.long,
    at: after(20_000),
    why: text.long,
  });
  const sagaId = `s-${name} ${text.short}`;
  await insertSaga(orm, sagaId, correlationId, text);
  const runId = await insert(orm, 'reconciliation_run', {
    kind: 'open',
    name: text.long,
    scope: '{}',
    status: 'DONE',
    looked: 1,
    totals: JSON.stringify({ REVIEW: 1 }),
    started_at: after(30_000),
    finished_at: after(31_000),
    updated_at: after(31_000),
  });
  await insert(orm, 'reconciliation_item', { run_id: runId, ...of, verdict: 'REVIEW', why: text.long, updated_at: after(30_500) });
  const breakId = await insert(orm, 'reconciliation_break', {
    statement: text.long,
    call_name: callName,
    day: '2026-03-01',
    reference: key,
    kind: 'AMOUNT_DIFFERS',
    occurrence: 0,
    their_line: 7,
    their_amount_minor: 4_200,
    their_currency: 'EUR',
    their_status: 'SUCCESS',
    our_amount_minor: 4_100,
    our_currency: 'EUR',
    our_status: 'SUCCESS',
    state: 'OPEN',
    is_late: false,
    last_run: 1,
    last_pass: 1,
    found_at: after(40_000),
  });
  await insert(orm, 'reconciliation_break_action', {
    break_id: breakId,
    action: 'FOUND',
    actor: text.long,
    at: after(40_000),
    why: text.long,
  });
  await insert(orm, 'statement_run', {
    statement: text.long,
    call_name: callName,
    day: '2026-03-01',
    sha256: 'ab',
    source: text.long,
    status: 'DONE',
    their_lines: 1,
    our_rows: 1,
    started_at: after(40_000),
  });
  await insert(orm, 'outbox_message', {
    transaction_id: transactionId,
    seq: 0,
    topic: text.long,
    tag: text.long,
    message_keys: '[]',
    properties: '{}',
    body,
    state: 'PARKED',
    due_at: after(500),
    attempts: 3,
    last_error: text.long,
    decided_by: text.long,
    created_at: after(400),
    updated_at: after(900),
  });
  await insert(orm, 'transaction_marker', { id: transactionId, state: 1 });
  await insert(orm, 'processed_message', { listener: text.long, idempotency_key: key, processed_at: after(950) });
  await insert(orm, 'parked_half_rescue', {
    message_id: `${name} ${text.long}`,
    topic: text.long,
    transaction_id: transactionId,
    rescued_by: text.long,
    rescued_at: after(700),
  });
  return { correlationId, key, callName, callId, letterId, breakId, runId, sagaId, transactionId };
}

async function insertAttempts(
  orm: MikroORM,
  { callId, correlationId, text, body }: { callId: number; correlationId: string; text: FixtureTexts; body: Buffer },
): Promise<void> {
  for (const attempt of [1, 2]) {
    await insert(orm, 'external_call_attempt', {
      call_id: callId,
      attempt,
      correlation_id: correlationId,
      origin: text.long,
      method: 'POST',
      path: `/payments/${text.long}`,
      headers: JSON.stringify([
        ['content-type', 'application/json'],
        ['x-said', text.long],
      ]),
      body_state: 'MASKED',
      body,
      body_bytes: body.byteLength,
      body_sha256: sha256(body),
      opened_at: after(1_000 + attempt * 1_000),
    });
    await insert(orm, 'external_call_response', {
      call_id: callId,
      attempt,
      status: attempt === 1 ? 'PENDING' : 'UNKNOWN',
      http_status: attempt === 1 ? 503 : null,
      headers: JSON.stringify([['x-said', text.long]]),
      body_state: 'RAW',
      body: attempt === 1 ? body : Buffer.from([0, 1, 2, 255, 60, 115, 99, 114, 105, 112, 116, 62]),
      body_bytes: body.byteLength,
      body_sha256: sha256(body),
      is_truncated: attempt === 2,
      failed_phase: attempt === 2 ? 'read' : null,
      connect_ms: 3.5,
      write_ms: 0.4,
      headers_ms: attempt === 1 ? 20 : null,
      body_ms: attempt === 1 ? 1 : null,
      total_ms: 25,
      remote_address: '127.0.0.1',
      error_code: text.short,
      error_chain: JSON.stringify([{ name: text.long, code: text.long, message: text.long }]),
      closed_at: after(1_500 + attempt * 1_000),
    });
  }
}

async function insertSaga(orm: MikroORM, sagaId: string, correlationId: string, text: FixtureTexts): Promise<void> {
  await insert(orm, 'saga_instance', {
    id: sagaId,
    saga: text.long.slice(0, 64),
    version: 1,
    fingerprint: 'f',
    input: JSON.stringify({ said: text.long }),
    correlation_id: correlationId,
    status: 'PARKED',
    step: 1,
    direction: 'compensation',
    error: text.long,
    created_at: after(2_000),
    updated_at: after(5_000),
  });
  const step = { saga_id: sagaId, started_at: after(2_000), updated_at: after(3_000) };
  const result = JSON.stringify({ said: text.long });
  await insert(orm, 'saga_step', { ...step, step: 0, direction: 'action', name: 'reserve', status: 'DONE', result });
  await insert(orm, 'saga_step', {
    ...step,
    step: 1,
    direction: 'action',
    name: text.short.slice(0, 24),
    status: 'FAILED',
    error: text.long,
  });
  await insert(orm, 'saga_step', {
    ...step,
    step: 1,
    direction: 'compensation',
    name: text.short.slice(0, 24),
    status: 'FAILED',
    error: text.long,
  });
  const decision = {
    saga_id: sagaId,
    kind: 'retry',
    decided_by: text.long,
    why: text.long,
    step: 1,
    direction: 'compensation',
    decided_at: after(4_000),
  };
  await insert(orm, 'saga_decision', decision);
}
