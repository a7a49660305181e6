import type { CommittedTransaction } from '../change-data-capture/row-change.ts';

/** What stops and starts the server's flow. */
export interface Flow {
  pause(): void;
  resume(): void;
}

/** Transactions that have come and were not asked for yet. */
export interface ReadAhead {
  add(transaction: CommittedTransaction): void;
  /** After everything that has come. */
  fail(error: unknown): void;
  /** At once; what has come is dropped. */
  end(): void;
  /** Resolves to what it failed with. */
  readonly failed: Promise<unknown>;
  readonly isPaused: boolean;
  batches(): AsyncIterable<readonly CommittedTransaction[]>;
}

/**
 * Keeps at most about `maxRows` row changes: the flow is stopped above, and goes on below half of it. Transactions without
 * any follow each other so fast that only the last of a row of them is kept.
 */
export const readAhead = (maxRows: number, batch: number, flow: Flow): ReadAhead => {
  const waiting: CommittedTransaction[] = [];
  let rows = 0;
  let isPaused = false;
  let isEnded = false;
  let failure: { readonly error: unknown } | undefined;
  let wake = (): void => {};
  const { promise: failed, resolve: tellFailed } = Promise.withResolvers<unknown>();

  const add = (transaction: CommittedTransaction): void => {
    if (isEnded) return;
    const last = waiting.at(-1);
    if (last !== undefined && last.changes.length === 0 && transaction.changes.length === 0 && last.end.file === transaction.end.file) {
      waiting[waiting.length - 1] = { ...transaction, isBookkeeping: last.isBookkeeping && transaction.isBookkeeping };
    } else waiting.push(transaction);
    rows += transaction.changes.length;
    if (rows >= maxRows) {
      // Again each time: the library may have set the flow going for reasons of its own.
      isPaused = true;
      flow.pause();
    }
    wake();
  };
  const take = (): readonly CommittedTransaction[] => {
    const taken = waiting.splice(0, batch);
    for (const { changes } of taken) rows -= changes.length;
    if (isPaused && rows < maxRows / 2) {
      isPaused = false;
      flow.resume();
    }
    return taken;
  };

  return {
    add,
    fail(error) {
      failure ??= { error };
      tellFailed(error);
      wake();
    },
    end() {
      isEnded = true;
      wake();
    },
    failed,
    get isPaused() {
      return isPaused;
    },
    async *batches() {
      while (!isEnded) {
        if (waiting.length > 0) yield take();
        else if (failure !== undefined) throw failure.error;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  };
};
