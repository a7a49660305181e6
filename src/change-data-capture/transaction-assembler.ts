import { CaptureStoppedError } from '../errors.ts';
import type { LogEvent } from './log-event.ts';
import type { CommittedTransaction, RowChange } from './row-change.ts';

/**
 * Puts transactions together from the events of a binlog: given events one by one, says for some of them which
 * transaction is committed by it. What was rolled back, to the beginning or to a savepoint, is in none: the binlog has
 * such rows when a transaction also wrote to a table that cannot be rolled back.
 */
export class TransactionAssembler {
  readonly #maxRows: number;
  #isOpen = false;
  #changes: RowChange[] = [];
  #isBookkeeping = false;
  #hasOthers = false;
  readonly #savepoints = new Map<string, number>();

  /** Holds at most `maxRows` changes of one transaction in memory. */
  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  /** Throws `CaptureStoppedError` for what cannot be read rightly. */
  take(event: LogEvent): CommittedTransaction | undefined {
    switch (event.kind) {
      case 'begin':
        this.#clear();
        this.#isOpen = true;
        return undefined;
      case 'others':
        this.#hasOthers = true;
        return undefined;
      case 'bookkeeping':
        this.#isBookkeeping = true;
        return undefined;
      case 'rows':
        this.#add(event.changes);
        return undefined;
      case 'savepoint':
        this.#savepoints.set(event.name.toLowerCase(), this.#changes.length);
        return undefined;
      case 'rollback-to':
        this.#changes.length = Math.min(this.#changes.length, this.#savepoints.get(event.name.toLowerCase()) ?? 0);
        return undefined;
      case 'prepare':
        if (this.#changes.length > 0)
          throw new CaptureStoppedError(
            'an XA transaction wrote rows that are messages; its COMMIT cannot be followed: do not use XA on these tables',
            {
              reason: 'unreadable',
            },
          );
        return this.#close(event, []);
      case 'rollback':
        return this.#close(event, []);
      case 'commit':
        return this.#close(event, this.#changes);
      case 'statement':
        // At the head of a transaction its rows and COMMIT follow.
        return this.#isOpen ? undefined : this.#close(event, []);
    }
  }

  #add(changes: readonly RowChange[]): void {
    if (!this.#isOpen)
      throw new CaptureStoppedError('rows without the beginning of their transaction: the position is not between two transactions', {
        reason: 'unreadable',
      });
    if (this.#changes.length + changes.length > this.#maxRows)
      throw new CaptureStoppedError(
        `one transaction has more than ${this.#maxRows} rows that are messages; raise maxTransactionRows, as far as memory allows`,
        { reason: 'unreadable' },
      );
    this.#changes.push(...changes);
  }

  #close({ end, at }: { end: CommittedTransaction['end']; at: number }, changes: readonly RowChange[]): CommittedTransaction {
    const isBookkeeping = this.#isBookkeeping && !this.#hasOthers && changes.length === 0;
    this.#clear();
    return { end, committedAt: at, changes, isBookkeeping };
  }

  #clear(): void {
    this.#isOpen = false;
    this.#changes = [];
    this.#isBookkeeping = false;
    this.#hasOthers = false;
    this.#savepoints.clear();
  }
}
