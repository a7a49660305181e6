import type { DeadLetter, DeadLetterReason, ErrorLink } from '../dead-letter/dead-letter.ts';
import type { DeadLetterFilter } from '../dead-letter/dead-letter-store.ts';
import type { DeadLetterStanding, DeadLetterState } from '../dead-letter/dead-letter-state.ts';
import type { Bind } from './statements.ts';
import { textOf } from './nullable-column.ts';

/** Everything but the body. Times as milliseconds, which no session's time zone changes. */
export const LETTER_COLUMNS = `id, topic, consumer_group, identity, listener, message_id, tag, message_keys, properties, length(body) as body_bytes,
  lower(hex(body_sha256)) as body_sha256, ${millis('born_at')}, reason, reason_text, error_chain, delivery_attempts, deaths,
  ${millis('first_failed_at')}, ${millis('last_failed_at')}, call_name, idempotency_key, state, replays,
  timestampdiff(microsecond, utc_timestamp(3), lease_until) / 1000 as lease_ms, decided_by, ${millis('decided_at')}, decision_reason`;

function millis(column: string): string {
  return `timestampdiff(microsecond, '1970-01-01', ${column}) div 1000 as ${column}_ms`;
}

export const letterOf = (row: Record<string, unknown>): DeadLetter => ({
  id: Number(row['id']),
  identity: row['identity'] as string,
  topic: row['topic'] as string,
  group: row['consumer_group'] as string,
  listener: textOf(row['listener']),
  messageId: row['message_id'] as string,
  tag: row['tag'] as string,
  keys: JSON.parse(row['message_keys'] as string) as string[],
  properties: JSON.parse(row['properties'] as string) as Record<string, string>,
  bodyBytes: Number(row['body_bytes']),
  bodySha256: row['body_sha256'] as string,
  bornAt: dateOf(row['born_at_ms']),
  reason: row['reason'] as DeadLetterReason,
  reasonText: row['reason_text'] as string,
  errorChain: JSON.parse(row['error_chain'] as string) as ErrorLink[],
  deliveryAttempts: Number(row['delivery_attempts']),
  deaths: Number(row['deaths']),
  firstFailedAt: dateOf(row['first_failed_at_ms'])!,
  lastFailedAt: dateOf(row['last_failed_at_ms'])!,
  callName: textOf(row['call_name']),
  idempotencyKey: textOf(row['idempotency_key']),
  replays: Number(row['replays']),
  standing: standingOf(row),
});

const standingOf = (row: Record<string, unknown>): DeadLetterStanding => {
  const state = row['state'] as DeadLetterState;
  if (state === 'OPEN') return { state };
  if (state === 'REPLAYING') return { state, leaseMs: leaseOf(row) };
  return {
    state,
    decidedBy: textOf(row['decided_by']) ?? '',
    decidedAt: dateOf(row['decided_at_ms']) ?? new Date(0),
    decisionReason: textOf(row['decision_reason']),
  };
};

export const leaseOf = (row: Record<string, unknown>): number => Math.ceil(Number(row['lease_ms'] ?? 0));
export const dateOf = (ms: unknown): Date | undefined => (ms === null || ms === undefined ? undefined : new Date(Number(ms)));

/** The condition of a filter and what is bound to it. */
export const conditionOf = (filter: DeadLetterFilter): { where: string; binds: Bind[] } => {
  const { topic, group, listener, reason, state, since, until, key } = filter;
  const conditions: [string, readonly (Bind | undefined)[]][] = [
    ['topic = ?', [topic]],
    ['consumer_group = ?', [group]],
    ['listener = ?', [listener]],
    ['reason = ?', [reason]],
    ['state = ?', [state]],
    ['last_failed_at >= ?', [since]],
    ['last_failed_at < ?', [until]],
    ['(idempotency_key = ? or json_contains(message_keys, json_quote(?)))', [key, key]],
  ];
  const given = conditions.filter(([, binds]) => binds[0] !== undefined);
  return {
    where: given.map(([condition]) => ` and ${condition}`).join(''),
    binds: given.flatMap(([, binds]) => binds as readonly Bind[]),
  };
};
