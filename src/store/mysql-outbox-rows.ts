import { createHash } from 'node:crypto';
import type { OutgoingMessage } from '../broker/message.ts';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import type { ClaimedMessage } from '../outbox/outbox-store.ts';
import type { SqlTransaction, SqlValue } from '../transaction/sql-transaction.ts';

export const NOW = 'utc_timestamp(3)';
export const IN = 'utc_timestamp(3) + interval ? microsecond';

/** For people and logs; the column takes no more. */
export const asReason = (text: string): string => text.slice(0, 1_000);

/** Of a message without keys there is none: it has no order to keep. */
export function laneOf({ topic, keys }: Pick<OutgoingMessage, 'topic' | 'keys'>): string | null {
  const [key] = keys;
  return key === undefined ? null : createHash('sha256').update(`${topic}\0${key}`).digest('hex').slice(0, 32);
}

/** One statement, so that the ids follow the order of the messages. */
export async function insertMessages(transaction: SqlTransaction, messages: readonly OutgoingMessage[]): Promise<void> {
  const binds = messages.flatMap((message, seq): SqlValue[] => [
    message.properties[MESSAGE_PROPERTY.transactionId]!,
    seq,
    laneOf(message),
    message.topic,
    message.tag,
    JSON.stringify(message.keys),
    JSON.stringify(message.properties),
    Buffer.from(message.body),
  ]);
  const row = `(?, ?, ?, ?, ?, ?, ?, ?, 'WAITING', ${NOW}, ${NOW}, ${NOW})`;
  await transaction.execute(
    `insert into outbox_message (transaction_id, seq, lane, topic, tag, message_keys, properties, body, state, due_at, created_at, updated_at)
     values ${messages.map(() => row).join(', ')}`,
    binds,
  );
}

export const SELECT_CLAIMED =
  'select m.id, m.lane, m.fence, m.attempts, m.topic, m.tag, m.message_keys, m.properties, m.body from outbox_message m';

export const claimedOf = (row: Record<string, unknown>): ClaimedMessage => ({
  id: Number(row['id']),
  lane: (row['lane'] as string | null) ?? undefined,
  fence: row['fence'] as string,
  attempt: Number(row['attempts']),
  message: {
    topic: row['topic'] as string,
    tag: row['tag'] as string,
    keys: JSON.parse(row['message_keys'] as string) as string[],
    properties: JSON.parse(row['properties'] as string) as Record<string, string>,
    body: row['body'] as Uint8Array,
  },
});
