import type { EntityManager } from '@mikro-orm/core';
import { messageOf } from '../shared/error-message.ts';
import { inspect } from 'node:util';
import type { OutgoingMessage } from '../broker/message.ts';
import type { SentHalfMessage, TransactionalProducer } from '../broker/transactional-producer.ts';
import { CheckbackError, LocalTransactionError, TransactionInDoubtError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import { emitTransactionEvent } from './diagnostics.ts';
import { settleUncertainCommit } from './in-doubt.ts';
import type { HalfMessageView, Lookup } from './lookup.ts';
import type { ResolvedPublisherOptions } from './publisher-options.ts';
import type { Fence, FencedSession, TransactionDatabase } from './transaction-database.ts';
import type { TransactionListener } from './transaction-listener.ts';
import type { TransactionalOutbox } from './transactional-outbox.ts';

/** One `publish()`, ready to run: everything that can be was checked, nothing has been sent or written. */
export interface Publication<Input> {
  readonly listener: TransactionListener<Input>;
  readonly input: Input;
  readonly transactionId: string;
  readonly correlationId: string;
  readonly database: TransactionDatabase;
  /** Finds out whether it committed; the fence makes its answer exact. */
  readonly lookup: Lookup;
  readonly fence: Fence;
  /** Makes the messages; throws for bad content. Called when all they may carry is there; with an outbox again after a deadlock. */
  messages(produced: unknown): readonly { readonly message: OutgoingMessage; readonly view: HalfMessageView }[];
}

export interface ProtocolDeps {
  /** Takes the messages as halves, or as rows of the transaction. */
  readonly carrier:
    | { readonly kind: 'half'; readonly producer: TransactionalProducer }
    | { readonly kind: 'outbox'; readonly outbox: TransactionalOutbox };
  readonly options: ResolvedPublisherOptions;
  /** Sends END in the background, once. */
  endLater(half: SentHalfMessage, resolution: 'COMMIT' | 'ROLLBACK'): void;
}

/** COMMIT was sent and its answer is missing. */
class UncertainCommit extends Error {}

/** The local transaction took longer than it may; its session is killed, not left to finish on the server. */
class Overrun extends Error {}

/**
 * Fence, half messages and local transaction in the order of the listener's `half` mode, COMMIT when all of them stand,
 * END in the background; with an outbox the transaction alone, the messages as its last rows. Resolves once COMMIT is certain. Rejects with `DatabaseUnavailableError` or `HalfMessageError`
 * (nothing happened), `LocalTransactionError` (rolled back for certain) or `TransactionInDoubtError`.
 */
export async function runPublication<Input>(publication: Publication<Input>, deps: ProtocolDeps): Promise<void> {
  const { listener, transactionId, correlationId, database, lookup, fence } = publication;
  const { carrier } = deps;
  const event = { transactionId, correlationId, listener: listener.name, topic: listener.messages[0]!.topic };
  const halves: SentHalfMessage[] = [];
  let views: readonly HalfMessageView[] = [];

  const prepare = (produced: unknown): OutgoingMessage[] => {
    const prepared = publication.messages(produced);
    views = prepared.map(({ view }) => view);
    return prepared.map(({ message }) => message);
  };

  const send = async (producer: TransactionalProducer, produced: unknown): Promise<void> => {
    const sent = await Promise.allSettled(prepare(produced).map((message) => producer.sendHalf(message)));
    for (const result of sent) if (result.status === 'fulfilled') halves.push(result.value);
    const failed = sent.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    emitTransactionEvent('half-sent', event);
  };

  const standWithHalves = async (session: FencedSession, producer: TransactionalProducer): Promise<void> => {
    const { half } = listener;
    // Both are awaited even if one fails: the other's half or rows must be undone as well.
    const both = half === 'overlapped' ? send(producer, undefined) : Promise.resolve();
    const [local, sending] = await Promise.allSettled([runLocalTransaction(session, publication, deps.options), both]);
    if (local.status === 'rejected') throw local.reason;
    if (sending.status === 'rejected') throw sending.reason;
    if (half === 'beforeCommit') await send(producer, local.value);
    await withDeadline(
      session.proveRow(lookup, views[0]!),
      deps.options.transactionTimeoutMs,
      () => new Error('the row was not found in time'),
    );
  };

  const standWithRows = async (session: FencedSession, outbox: TransactionalOutbox): Promise<void> => {
    let refused: unknown;
    await runLocalTransaction(session, publication, deps.options, async (em, produced) => {
      let messages: OutgoingMessage[];
      try {
        messages = prepare(produced);
      } catch (error) {
        throw (refused = error);
      }
      await outbox.write(em, messages);
    }).catch((error: unknown) => {
      // A message that cannot be carried is told as itself, as with a half that leaves after `execute`.
      throw refused ?? error;
    });
  };

  const decide = async (session: FencedSession): Promise<void> => {
    const { transactionTimeoutMs } = deps.options;
    if (carrier.kind === 'half' && listener.half === 'first') await send(carrier.producer, undefined);
    try {
      await (carrier.kind === 'half' ? standWithHalves(session, carrier.producer) : standWithRows(session, carrier.outbox));
    } catch (error) {
      await session.rollback();
      if (error instanceof CheckbackError) throw error;
      // A session that died under the question: COMMIT had not been sent, so it is rolled back for certain.
      throw new LocalTransactionError(`${nameOf(publication)} was rolled back: ${messageOf(error)}`, { cause: error, reason: 'threw' });
    }
    try {
      await withDeadline(
        session.commit(),
        transactionTimeoutMs,
        () => new Error(`COMMIT was not answered within ${transactionTimeoutMs} ms`),
      );
    } catch (error) {
      await session.kill();
      throw new UncertainCommit((error as Error).message, { cause: error });
    }
  };

  try {
    try {
      await database.withFencedSession(transactionId, fence, deps.options.connectionTimeoutMs, decide);
    } catch (error) {
      if (!(error instanceof UncertainCommit)) throw error;
      // The fence is being closed, so the look-up does not wait for our own session for long.
      await settleUncertainCommit(error, publication, views[0]!, deps.options.inDoubtTimeoutMs);
    }
  } catch (error) {
    if (error instanceof TransactionInDoubtError) {
      emitTransactionEvent('in-doubt', { ...event, error });
      throw error;
    }
    // Whatever it was, COMMIT was not sent or is known not to have been applied.
    const reason = error instanceof LocalTransactionError ? error.reason : 'threw';
    if (halves.length > 0 || error instanceof LocalTransactionError) emitTransactionEvent('rolled-back', { ...event, reason, error });
    for (const half of halves) deps.endLater(half, 'ROLLBACK');
    throw error;
  }
  emitTransactionEvent('committed', event);
  if (carrier.kind === 'outbox') carrier.outbox.committed();
  for (const half of halves) deps.endLater(half, 'COMMIT');
}

/**
 * BEGIN, `execute`, flush, `finish`; from BEGIN again after a deadlock, which is safe: with the half first the fence stays open on
 * this very connection or in the marker, and with `beforeCommit` no half exists yet. Returns what the listener produced.
 */
async function runLocalTransaction<Input>(
  session: FencedSession,
  publication: Publication<Input>,
  options: ResolvedPublisherOptions,
  finish: (em: EntityManager, produced: unknown) => Promise<void> = async () => {},
): Promise<unknown> {
  const { listener, input, transactionId, correlationId } = publication;
  const of = nameOf(publication);
  const overrun = new AbortController();
  const work = async (): Promise<unknown> => {
    for (let attempt = 1; ; attempt++) {
      try {
        const em = await session.begin(overrun.signal);
        const result = await listener.execute(em, input, { transactionId, correlationId, signal: overrun.signal });
        if (result === 'ROLLBACK') throw new LocalTransactionError(`${of}: the listener decided ROLLBACK`, { reason: 'declined' });
        const produced = producedBy(result, listener.half);
        await session.flush();
        await finish(em, produced);
        return produced;
      } catch (error) {
        if (attempt >= options.maxTransactionAttempts || overrun.signal.aborted || !session.isWorthRepeating(error)) throw error;
        await session.rollback();
      }
    }
  };
  try {
    return await withDeadline(
      work(),
      options.transactionTimeoutMs,
      () => new Overrun(`it overran its ${options.transactionTimeoutMs} ms and was aborted`),
    );
  } catch (error) {
    overrun.abort(error);
    if (error instanceof Overrun) await session.kill();
    if (error instanceof LocalTransactionError) throw error;
    throw new LocalTransactionError(`${of} was rolled back: ${messageOf(error)}`, {
      cause: error,
      reason: 'threw',
    });
  }
}

function nameOf({ transactionId, listener }: { readonly transactionId: string; readonly listener: { readonly name: string } }): string {
  return `local transaction ${transactionId} of listener "${listener.name}"`;
}

function producedBy(result: unknown, half: string): unknown {
  if (result === undefined || result === 'COMMIT') return undefined;
  const isCommitWith =
    typeof result === 'object' && result !== null && 'decision' in result && result.decision === 'COMMIT' && 'produced' in result;
  if (!isCommitWith) throw new TypeError(`execute must return "COMMIT", "ROLLBACK", commitWith(…) or nothing, got ${inspect(result)}`);
  if (half !== 'beforeCommit') throw new TypeError(`commitWith(…) needs half: 'beforeCommit'; with '${half}' the message has left already`);
  return result.produced;
}
