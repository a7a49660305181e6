import type { OutgoingMessage } from '../broker/message.ts';
import type { CheckKey } from './status-check-store.ts';

/** The proxy's default limit of a delay. */
export const MAX_TIMER_MS = 86_400_000;

/** The message that comes when a record is due. It carries no more than the key: what is true by then is in the record. */
export const timerMessage = (topic: string, { callName, idempotencyKey }: CheckKey): OutgoingMessage => ({
  topic,
  tag: 'status-check',
  keys: [idempotencyKey],
  properties: {},
  body: new TextEncoder().encode(JSON.stringify({ callName, idempotencyKey })),
});

/** `undefined` for anything else that somebody sent to the topic. */
export const readTimerMessage = (body: Uint8Array): CheckKey | undefined => {
  if (body.length > 4_096) return undefined;
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as Partial<CheckKey> | null;
    const { callName, idempotencyKey } = value ?? {};
    return typeof callName === 'string' && typeof idempotencyKey === 'string' ? { callName, idempotencyKey } : undefined;
  } catch {
    return undefined;
  }
};
