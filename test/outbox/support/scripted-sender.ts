import type { OutgoingMessage } from '../../../src/broker/message.ts';
import { BrokerError } from '../../../src/errors.ts';
import type { OutboxSender } from '../../../src/outbox/outbox-sender.ts';

/** A broker that takes what it is given, unless it is told otherwise. */
export class ScriptedSender implements OutboxSender {
  readonly sent: string[] = [];
  isDown = false;
  /** Tags the broker refuses for good. */
  readonly refused = new Set<string>();
  before: (message: OutgoingMessage) => Promise<void> = async () => {};
  inFlight = 0;
  mostInFlight = 0;

  async send(message: OutgoingMessage): Promise<{ messageId: string }> {
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    try {
      await this.before(message);
      if (this.isDown) throw new BrokerError('nobody answers', { retryable: true });
      if (this.refused.has(message.tag)) throw new BrokerError('too large', { retryable: false });
      this.sent.push(message.tag);
      return { messageId: `m${this.sent.length}` };
    } finally {
      this.inFlight -= 1;
    }
  }

  async close(): Promise<void> {}
}
