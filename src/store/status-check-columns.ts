import type { ReceivedMessage } from '../broker/message.ts';
import type { CallStatus } from '../gateway/call-status.ts';
import type { StatusCheckState } from '../status-check/status-check-state.ts';
import type { StatusCheckRecord } from '../status-check/status-check-store.ts';
import { utcDate } from './utc-date.ts';

/** A record with the status of its call's own row. */
export const SELECT_RECORD = `select s.*, c.status as call_status,
    timestampdiff(microsecond, s.unknown_since, utc_timestamp(3)) / 1000 as unknown_for_ms
  from status_check s left join external_call c on c.call_name = s.call_name and c.idempotency_key = s.idempotency_key`;

export const recordOf = (row: Readonly<Record<string, unknown>>): StatusCheckRecord & { readonly claim: number } => ({
  callName: row['call_name'] as string,
  idempotencyKey: row['idempotency_key'] as string,
  listener: row['listener'] as string,
  correlationId: row['correlation_id'] as string,
  message: messageOf(row),
  state: row['state'] as StatusCheckState,
  callStatus: (row['call_status'] as CallStatus | null) ?? undefined,
  checks: Number(row['checks']),
  claim: Number(row['claims']),
  unknownForMs: Math.max(0, Math.floor(Number(row['unknown_for_ms']))),
});

const messageOf = (row: Readonly<Record<string, unknown>>): ReceivedMessage => ({
  topic: row['topic'] as string,
  tag: row['tag'] as string,
  keys: JSON.parse(row['message_keys'] as string) as string[],
  properties: JSON.parse(row['properties'] as string) as Record<string, string>,
  body: row['body'] as Buffer,
  messageId: row['message_id'] as string,
  deliveryAttempt: Number(row['delivery_attempt']),
  bornAt: row['born_at'] === null ? undefined : utcDate(row['born_at']),
});
