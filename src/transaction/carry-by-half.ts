import type { SentHalfMessage, TransactionalProducer } from '../broker/transactional-producer.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { Carry } from './carry.ts';
import { emitTransactionEvent } from './diagnostics.ts';
import { runLocalTransaction } from './local-transaction.ts';
import type { HalfMessageView } from './lookup.ts';
import type { Publication } from './publish-protocol.ts';
import type { ResolvedPublisherOptions } from './publisher-options.ts';
import type { FencedSession } from './transaction-database.ts';

/** Half messages, stored by the broker before COMMIT in the order of the listener's `half` mode; END in the background. */
export class CarryByHalf<Input> implements Carry {
  readonly #publication: Publication<Input>;
  readonly #producer: TransactionalProducer;
  readonly #options: ResolvedPublisherOptions;
  readonly #endLater: (half: SentHalfMessage, resolution: 'COMMIT' | 'ROLLBACK') => void;
  readonly #halves: SentHalfMessage[] = [];
  readonly ifCommitted = 'its messages will be delivered';
  view: HalfMessageView | undefined;

  constructor(
    publication: Publication<Input>,
    producer: TransactionalProducer,
    options: ResolvedPublisherOptions,
    endLater: (half: SentHalfMessage, resolution: 'COMMIT' | 'ROLLBACK') => void,
  ) {
    this.#publication = publication;
    this.#producer = producer;
    this.#options = options;
    this.#endLater = endLater;
  }

  get hasLeft(): boolean {
    return this.#halves.length > 0;
  }

  async open(): Promise<void> {
    if (this.#publication.listener.half === 'first') await this.#send(undefined);
  }

  async stand(session: FencedSession): Promise<void> {
    const { listener, lookup } = this.#publication;
    // Both are awaited even if one fails: the other's half or rows must be undone as well.
    const sending = listener.half === 'overlapped' ? Promise.allSettled([this.#send(undefined)]) : undefined;
    let produced: unknown;
    try {
      produced = await runLocalTransaction(session, this.#publication, this.#options);
    } finally {
      await sending;
    }
    const [sent] = (await sending) ?? [];
    if (sent?.status === 'rejected') throw sent.reason;
    if (listener.half === 'beforeCommit') await this.#send(produced);
    const proof = session.proveRow(lookup, this.view!);
    if (proof) await withDeadline(proof, this.#options.transactionTimeoutMs, () => new Error('the row was not found in time'));
  }

  async #send(produced: unknown): Promise<void> {
    const prepared = this.#publication.messages(produced);
    this.view = prepared[0]!.view;
    const sent = await Promise.allSettled(prepared.map(({ message }) => this.#producer.sendHalf(message)));
    for (const result of sent) if (result.status === 'fulfilled') this.#halves.push(result.value);
    const failed = sent.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    const { transactionId, correlationId, listener } = this.#publication;
    const { topic } = listener.messages[0]!;
    emitTransactionEvent('half-sent', { transactionId, correlationId, listener: listener.name, topic, messages: sent.length });
  }

  committed(): void {
    for (const half of this.#halves) this.#endLater(half, 'COMMIT');
  }

  rolledBack(): void {
    for (const half of this.#halves) this.#endLater(half, 'ROLLBACK');
  }
}
