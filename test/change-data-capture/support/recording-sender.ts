import type { OutgoingMessage } from '../../../src/broker/message.ts';
import { BrokerError } from '../../../src/errors.ts';
import type { OutboxSender } from '../../../src/outbox/outbox-sender.ts';

/** A broker that keeps what it is given, unless it is down or refuses it. */
export class RecordingSender implements OutboxSender {
  readonly messages: OutgoingMessage[] = [];
  isDown = false;
  /** Keys the broker refuses for good. */
  readonly refused = new Set<string>();
  attempts = 0;

  async send(message: OutgoingMessage): Promise<{ messageId: string }> {
    this.attempts += 1;
    await Promise.resolve();
    if (this.isDown) throw new BrokerError('nobody answers', { retryable: true });
    if (this.refused.has(message.keys[0] ?? '')) throw new BrokerError('too large', { retryable: false });
    this.messages.push(message);
    return { messageId: `m${this.messages.length}` };
  }

  async close(): Promise<void> {}

  get keys(): string[] {
    return this.messages.map(({ keys }) => keys[0]!);
  }
}
