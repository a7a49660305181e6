import { v7 as uuidV7 } from 'uuid';
import type { OutgoingMessage } from '../broker/message.ts';
import { MessageNotKeptError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import { messageOf } from '../shared/error-message.ts';
import type { AfterCommitLog } from './after-commit-log.ts';
import type { Carry } from './carry.ts';
import { emitTransactionEvent } from './diagnostics.ts';
import { nameOf } from './local-transaction.ts';
import type { HalfMessageView } from './lookup.ts';
import type { Publication } from './publish-protocol.ts';
import type { ResolvedPublisherOptions } from './publisher-options.ts';
import { runWithMessages } from './run-with-messages.ts';
import type { FencedSession } from './transaction-database.ts';

/** The transaction alone; its messages go to a log outside the database once COMMIT is certain. */
export class CarryByLog<Input> implements Carry {
  readonly #publication: Publication<Input>;
  readonly #log: AfterCommitLog;
  readonly #options: ResolvedPublisherOptions;
  #messages: OutgoingMessage[] = [];
  readonly hasLeft = false;
  readonly ifCommitted = 'its messages are lost, and reconciliation must find its rows';
  view: HalfMessageView | undefined;

  constructor(publication: Publication<Input>, log: AfterCommitLog, options: ResolvedPublisherOptions) {
    this.#publication = publication;
    this.#log = log;
    this.#options = options;
  }

  async open(): Promise<void> {}

  async stand(session: FencedSession): Promise<void> {
    this.view = await runWithMessages(session, this.#publication, this.#options, (messages) => {
      this.#log.admit(messages);
      this.#messages = messages;
    });
    // Without this a COMMIT whose answer is lost could not be told from one that failed.
    await session.proveRow(this.#publication.lookup, this.view);
  }

  async committed(): Promise<void> {
    try {
      await this.#log.append(this.#messages);
    } catch (error) {
      await this.#notKept(error);
    }
  }

  rolledBack(): void {}

  async #notKept(error: unknown): Promise<void> {
    const { transactionId, correlationId, listener } = this.#publication;
    const event = { transactionId, correlationId, listener: listener.name, topic: listener.messages[0]!.topic, error };
    const said = `${nameOf(this.#publication)} committed, and its message could not be kept (${messageOf(error)})`;
    if (this.#log.onAppendFailure === 'report') {
      emitTransactionEvent('message-not-kept', { ...event, outcome: 'reported' });
      this.#options.logger.error({ transactionId, correlationId, error }, `${said}; reconciliation must find its row`);
      return;
    }
    try {
      await this.#compensate();
    } catch (failure) {
      emitTransactionEvent('message-not-kept', { ...event, outcome: 'not-compensated' });
      this.#options.logger.error({ transactionId, correlationId, error, failure }, `${said}, nor could it be undone`);
      throw new MessageNotKeptError(`${said}; undoing it failed as well: ${messageOf(failure)}`, {
        cause: failure,
        transactionId,
        isCompensated: false,
      });
    }
    emitTransactionEvent('message-not-kept', { ...event, outcome: 'compensated' });
    throw new MessageNotKeptError(`${said}; it was undone`, { cause: error, transactionId, isCompensated: true });
  }

  /** In a transaction of its own, under an id of its own: nobody asks for it by that, and the first one's rows stay as they are. */
  async #compensate(): Promise<void> {
    const { listener, input, transactionId, correlationId, database } = this.#publication;
    const { connectionTimeoutMs, transactionTimeoutMs, maxTransactionAttempts } = this.#options;
    const overrun = new AbortController();
    const context = { transactionId, correlationId, signal: overrun.signal };
    await database.withFencedSession(uuidV7(), 'row', connectionTimeoutMs, async (session) => {
      const work = async (): Promise<void> => {
        for (let attempt = 1; ; attempt++) {
          try {
            await listener.compensate!(await session.begin(), input, context);
            await session.flush();
            return await session.commit();
          } catch (error) {
            if (attempt >= maxTransactionAttempts || overrun.signal.aborted || !session.isWorthRepeating(error)) throw error;
            await session.rollback();
          }
        }
      };
      try {
        await withDeadline(work(), transactionTimeoutMs, () => new Error(`it overran its ${transactionTimeoutMs} ms and was aborted`));
      } catch (error) {
        overrun.abort(error);
        await session.kill();
        throw error;
      }
    });
  }
}
