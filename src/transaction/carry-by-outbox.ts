import type { Carry } from './carry.ts';
import type { HalfMessageView } from './lookup.ts';
import type { Publication } from './publish-protocol.ts';
import type { ResolvedPublisherOptions } from './publisher-options.ts';
import { runWithMessages } from './run-with-messages.ts';
import type { FencedSession } from './transaction-database.ts';
import type { TransactionalOutbox } from './transactional-outbox.ts';

/** The transaction alone; its messages are its last rows, or are read from its rows later. */
export class CarryByOutbox<Input> implements Carry {
  readonly #publication: Publication<Input>;
  readonly #outbox: TransactionalOutbox;
  readonly #options: ResolvedPublisherOptions;
  readonly hasLeft = false;
  readonly ifCommitted = 'its messages will be delivered';
  view: HalfMessageView | undefined;

  constructor(publication: Publication<Input>, outbox: TransactionalOutbox, options: ResolvedPublisherOptions) {
    this.#publication = publication;
    this.#outbox = outbox;
    this.#options = options;
  }

  async open(): Promise<void> {}

  async stand(session: FencedSession): Promise<void> {
    this.view = await runWithMessages(session, this.#publication, this.#options, (messages) => this.#outbox.write(session.sql, messages));
    // Its own rows need no proof; those of `execute` do, or a COMMIT whose answer is lost could not be told from one that failed.
    if (this.#outbox.lookup === undefined) await session.proveRow(this.#publication.lookup, this.view);
  }

  committed(): void {
    this.#outbox.committed();
  }

  rolledBack(): void {}
}
