import type { MikroORM } from '@mikro-orm/mysql';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import { timesOf } from './mysql-ops-evidence.ts';
import { CALL_COLUMNS, callOf } from './mysql-ops-search.ts';
import { numberOf, textOf } from './nullable-column.ts';
import type { OpsStory, StoryAttempt, StoryCheck, StorySaga } from './ops-story.ts';
import { type Bind, statementsOn, type Transaction } from './statements.ts';
import { utcDate } from './utc-date.ts';

/** Rows of each kind at most. */
const MOST = 200;

type Row = Readonly<Record<string, unknown>>;

/**
 * Reads by index alone, at most 200 rows of each kind. `known` adds transactions the order's own row is known by. The
 * correlation id is taken for a transaction id too, which is what it is when nobody named one.
 */
export async function readOpsStory(
  orm: MikroORM,
  correlationId: string,
  known: { readonly transactionIds?: readonly string[] } = {},
): Promise<OpsStory> {
  const db = statementsOn(orm.em.getConnection('read'));
  const of = (sql: string, ...binds: Bind[]): Promise<readonly Row[]> => db.rows(`${sql} limit ${MOST}`, binds);
  const [calls, checks, letters, sagas] = await Promise.all([
    of(`select ${CALL_COLUMNS} from external_call where correlation_id = ? order by id`, correlationId),
    of(
      `select call_name, idempotency_key, listener, state, unknown_since, next_check_at, checks, last_said, last_error_code, outcome,
         decided_by, decision_reason, done_at, properties from status_check where correlation_id = ? order by id`,
      correlationId,
    ),
    of(
      `select id, topic, listener, reason, state, idempotency_key, properties from dead_letter where correlation_id = ? order by id`,
      correlationId,
    ),
    of(
      `select id, saga, version, status, created_at, ended_at, error from saga_instance where correlation_id = ? order by id`,
      correlationId,
    ),
  ]);
  const transactionIds = [
    ...new Set([correlationId, ...(known.transactionIds ?? []), ...[...checks, ...letters].flatMap(transactionOf)]),
  ].filter((id) => id.length <= 36);
  const ids = calls.map(({ id }) => Number(id));
  const keys = [...new Set([...calls, ...letters].flatMap(({ idempotency_key: key }) => (typeof key === 'string' ? [key] : [])))];
  const byCall = whereCalls(calls);
  const [attempts, responses, items, breaks, handled, outbox, markers, rescues, steps, decisions, actions] = await Promise.all([
    within(
      of,
      'select call_id, attempt, origin, method, path, opened_at from external_call_attempt where call_id',
      ids,
      'order by call_id, attempt',
    ),
    within(
      of,
      `select call_id, attempt, status, http_status, failed_phase, error_code, connect_ms, write_ms, headers_ms, body_ms, total_ms, closed_at
       from external_call_response where call_id`,
      ids,
      'order by call_id, attempt',
    ),
    byCall === undefined
      ? []
      : of(
          `select run_id, call_name, idempotency_key, verdict, why, updated_at from reconciliation_item where ${byCall.where}`,
          ...byCall.binds,
        ),
    within(of, 'select id, statement, day, kind, reference, state from reconciliation_break where reference', keys),
    within(of, 'select listener, idempotency_key, processed_at from processed_message where idempotency_key', keys),
    within(
      of,
      `select id, transaction_id, topic, state, attempts, last_error, decided_by, created_at, updated_at from outbox_message where transaction_id`,
      transactionIds,
      'order by transaction_id, seq',
    ),
    within(of, 'select id, state from transaction_marker where id', transactionIds),
    within(
      of,
      'select message_id, topic, transaction_id, rescued_by, rescued_at from parked_half_rescue where transaction_id',
      transactionIds,
    ),
    within(
      of,
      'select saga_id, step, name, direction, status, attempts, error, started_at, updated_at from saga_step where saga_id',
      texts(sagas, 'id'),
      'order by saga_id, step, direction',
    ),
    within(of, 'select saga_id, kind, decided_by, why, decided_at from saga_decision where saga_id', texts(sagas, 'id'), 'order by id'),
    within(
      of,
      'select dead_letter_id, action, actor, at, why from dead_letter_action where dead_letter_id',
      numbers(letters),
      'order by id',
    ),
  ]);
  const breakActions = await within(
    of,
    'select break_id, action, actor, at, why from reconciliation_break_action where break_id',
    numbers(breaks),
    'order by id',
  );
  const lists = [calls, checks, letters, sagas, attempts, responses, items, breaks, handled, outbox, steps, actions, breakActions];
  return {
    correlationId,
    transactionIds,
    isCut: lists.some(({ length }) => length === MOST),
    calls: calls.map(callOf),
    attempts: attempts.map((row) => attemptOf(row, responses)),
    checks: checks.map(checkOf),
    sagas: sagas.map((row) => sagaOf(row, steps, decisions)),
    letters: letters.map((row) => ({
      id: Number(row['id']),
      topic: String(row['topic']),
      listener: textOf(row['listener']),
      reason: String(row['reason']),
      state: String(row['state']),
      history: actions
        .filter(({ dead_letter_id: id }) => Number(id) === Number(row['id']))
        .map(({ action, actor, at, why }) => ({ action: String(action), by: String(actor), at: utcDate(at), why: textOf(why) })),
    })),
    items: items.map((row) => ({
      runId: Number(row['run_id']),
      callName: String(row['call_name']),
      idempotencyKey: String(row['idempotency_key']),
      verdict: textOf(row['verdict']),
      why: textOf(row['why']),
      at: utcDate(row['updated_at']),
    })),
    breaks: breaks.map((row) => ({
      id: Number(row['id']),
      statement: String(row['statement']),
      day: String(row['day']),
      kind: String(row['kind']),
      reference: String(row['reference']),
      state: String(row['state']),
      history: breakActions
        .filter(({ break_id: id }) => Number(id) === Number(row['id']))
        .map(({ action, actor, at, why }) => ({ action: String(action), by: String(actor), at: utcDate(at), why: String(why) })),
    })),
    handled: handled.map((row) => ({
      listener: String(row['listener']),
      idempotencyKey: String(row['idempotency_key']),
      at: utcDate(row['processed_at']),
    })),
    outbox: outbox.map((row) => ({
      id: Number(row['id']),
      transactionId: String(row['transaction_id']),
      topic: String(row['topic']),
      state: String(row['state']),
      attempts: Number(row['attempts']),
      lastError: textOf(row['last_error']),
      decidedBy: textOf(row['decided_by']),
      createdAt: utcDate(row['created_at']),
      updatedAt: utcDate(row['updated_at']),
    })),
    markers: markers.map((row) => ({ transactionId: String(row['id']), isCommitted: Number(row['state']) === 1 })),
    rescues: rescues.map((row) => ({
      messageId: String(row['message_id']),
      topic: String(row['topic']),
      transactionId: String(row['transaction_id']),
      by: String(row['rescued_by']),
      at: utcDate(row['rescued_at']),
    })),
  };
}

/** `… in (values)`, and nothing at all without values. */
const within = async (
  of: (sql: string, ...binds: Bind[]) => Promise<readonly Row[]>,
  sql: string,
  values: readonly Bind[],
  order = '',
): Promise<readonly Row[]> => (values.length === 0 ? [] : of(`${sql} in (${values.map(() => '?').join(', ')}) ${order}`, ...values));

function whereCalls(calls: readonly Row[]): { readonly where: string; readonly binds: readonly Bind[] } | undefined {
  const byName = Map.groupBy(calls, (row) => String(row['call_name']));
  if (byName.size === 0) return undefined;
  const parts = [...byName].map(([name, rows]) => ({
    sql: `(call_name = ? and idempotency_key in (${rows.map(() => '?').join(', ')}))`,
    binds: [name, ...texts(rows, 'idempotency_key')],
  }));
  return { where: parts.map(({ sql }) => sql).join(' or '), binds: parts.flatMap(({ binds }) => binds) };
}

const numbers = (rows: readonly Row[]): number[] => rows.map((row) => Number(row['id']));
const texts = (rows: readonly Row[], column: string): string[] => rows.map((row) => String(row[column]));

function transactionOf(row: Row): string[] {
  try {
    const id = (JSON.parse(String(row['properties'])) as Record<string, unknown>)[MESSAGE_PROPERTY.transactionId];
    return typeof id === 'string' && id !== '' ? [id] : [];
  } catch {
    return [];
  }
}

function attemptOf(row: Row, responses: readonly Row[]): StoryAttempt {
  const found = responses.find(
    (one) => Number(one['call_id']) === Number(row['call_id']) && Number(one['attempt']) === Number(row['attempt']),
  );
  return {
    callId: Number(row['call_id']),
    attempt: Number(row['attempt']),
    origin: String(row['origin']),
    method: String(row['method']),
    path: String(row['path']),
    openedAt: utcDate(row['opened_at']),
    response: found && {
      status: String(found['status']),
      httpStatus: numberOf(found['http_status']),
      failedPhase: textOf(found['failed_phase']),
      errorCode: textOf(found['error_code']),
      times: timesOf(found),
      closedAt: utcDate(found['closed_at']),
    },
  };
}

const checkOf = (row: Row): StoryCheck => ({
  callName: String(row['call_name']),
  idempotencyKey: String(row['idempotency_key']),
  listener: String(row['listener']),
  state: String(row['state']),
  unknownSince: utcDate(row['unknown_since']),
  nextCheckAt: utcDate(row['next_check_at']),
  checks: Number(row['checks']),
  lastSaid: textOf(row['last_said']),
  lastErrorCode: textOf(row['last_error_code']),
  outcome: textOf(row['outcome']),
  decidedBy: textOf(row['decided_by']),
  decisionReason: textOf(row['decision_reason']),
  doneAt: row['done_at'] === null ? undefined : utcDate(row['done_at']),
});

const sagaOf = (row: Row, steps: readonly Row[], decisions: readonly Row[]): StorySaga => ({
  id: String(row['id']),
  saga: String(row['saga']),
  version: Number(row['version']),
  status: String(row['status']),
  createdAt: utcDate(row['created_at']),
  endedAt: row['ended_at'] === null ? undefined : utcDate(row['ended_at']),
  error: textOf(row['error']),
  steps: steps
    .filter((step) => step['saga_id'] === row['id'])
    .map((step) => ({
      step: Number(step['step']),
      name: String(step['name']),
      direction: String(step['direction']),
      status: String(step['status']),
      attempts: Number(step['attempts']),
      error: textOf(step['error']),
      startedAt: utcDate(step['started_at']),
      updatedAt: utcDate(step['updated_at']),
    })),
  decisions: decisions
    .filter((decision) => decision['saga_id'] === row['id'])
    .map((decision) => ({
      kind: String(decision['kind']),
      by: String(decision['decided_by']),
      why: String(decision['why']),
      at: utcDate(decision['decided_at']),
    })),
});

/** The check of one call as the page shows it, whatever its state; `undefined` when there is none. */
export async function readOpsCheck(
  orm: MikroORM,
  callName: string,
  idempotencyKey: string,
): Promise<(StoryCheck & { readonly correlationId: string }) | undefined> {
  const db: Transaction = statementsOn(orm.em.getConnection('read'));
  const [row] = await db.rows(
    `select call_name, idempotency_key, correlation_id, listener, state, unknown_since, next_check_at, checks, last_said, last_error_code,
       outcome, decided_by, decision_reason, done_at from status_check where call_name = ? and idempotency_key = ?`,
    [callName, idempotencyKey],
  );
  return row && { ...checkOf(row), correlationId: String(row['correlation_id']) };
}
