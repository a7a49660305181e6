import { inspect } from 'node:util';
import { LocalTransactionError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import { messageOf } from '../shared/error-message.ts';
import type { Publication } from './publish-protocol.ts';
import type { ResolvedPublisherOptions } from './publisher-options.ts';
import type { FencedSession } from './transaction-database.ts';
import type { TransactionContext } from './transaction-listener.ts';

/** It took longer than it may; its session is killed, not left to finish on the server. */
class Overrun extends Error {}

/** An abort whose signal is made when somebody asks for it: most listeners never do. */
class Overrunning {
  #controller: AbortController | undefined;
  #reason: unknown;
  isAborted = false;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.isAborted) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.isAborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

/**
 * BEGIN, the listener's work, flush, `finish`; from BEGIN again after a deadlock, which is safe: with the half first the fence stays open on
 * this very connection or in the marker, and with `beforeCommit` no half exists yet. Returns what the listener produced. Rejects with `LocalTransactionError`.
 */
export async function runLocalTransaction<Input>(
  session: FencedSession,
  publication: Publication<Input>,
  options: ResolvedPublisherOptions,
  finish: (produced: unknown) => Promise<void> | void = () => {},
): Promise<unknown> {
  const { listener, transactionId, correlationId } = publication;
  const of = nameOf(publication);
  const overrun = new Overrunning();
  const context: TransactionContext = {
    transactionId,
    correlationId,
    get signal() {
      return overrun.signal;
    },
  };
  const work = async (): Promise<unknown> => {
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await execute(session, publication, context);
        if (result === 'ROLLBACK') throw new LocalTransactionError(`${of}: the listener decided ROLLBACK`, { reason: 'declined' });
        const produced = producedBy(result, listener.half);
        await session.flush();
        await finish(produced);
        return produced;
      } catch (error) {
        if (attempt >= options.maxTransactionAttempts || overrun.isAborted || !session.isWorthRepeating(error)) throw error;
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
    throw new LocalTransactionError(`${of} was rolled back: ${messageOf(error)}`, { cause: error, reason: 'threw' });
  }
}

async function execute<Input>(
  session: FencedSession,
  { listener, input }: Publication<Input>,
  context: TransactionContext,
): Promise<unknown> {
  if (listener.executeSql !== undefined) return listener.executeSql(await session.beginSql(), input, context);
  return listener.execute!(await session.begin(), input, context);
}

export function nameOf({
  transactionId,
  listener,
}: {
  readonly transactionId: string;
  readonly listener: { readonly name: string };
}): string {
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
