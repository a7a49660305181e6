import type { IncomingMessage } from './stored-message.ts';
import type { Delivery } from './subscription.ts';

/** A message as it is shown to a test. */
export interface InspectedMessage {
  readonly topic: string;
  readonly messageId: string;
  readonly tag: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** One delivery; bodies are not kept. */
export interface InspectedDelivery extends Omit<InspectedMessage, 'body'> {
  readonly group: string;
  readonly attempt: number;
  /** Milliseconds since the epoch, by the broker's clock. */
  readonly deliveredAt: number;
}

export function inspected({ topic, messageId, tag, keys, properties, body }: IncomingMessage): InspectedMessage {
  return { topic, messageId, tag, keys, properties, body };
}

/** The newest deliveries, at most 10,000, without their bodies. */
export class DeliveryRecord {
  readonly #newest: InspectedDelivery[] = [];
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(group: string, { message, attempt, deliveredAt }: Delivery): void {
    this.#total += 1;
    // Without bodies: ten thousand of them may be more than the machine has.
    const { topic, messageId, tag, keys, properties } = message;
    this.#newest.push({ topic, messageId, tag, keys, properties, group, attempt, deliveredAt });
    if (this.#newest.length >= 20_000) this.#newest.splice(0, 10_000);
  }

  all(): readonly InspectedDelivery[] {
    return this.#newest.slice(-10_000);
  }
}
