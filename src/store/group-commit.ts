import { withDeadline } from '../shared/deadline.ts';

export interface GroupCommitOptions<Item, Result> {
  /** Does several items in one transaction, giving their results in order. Never called with fewer than two. */
  readonly together: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Does one item. Also what follows for each when `together` rejects, so it must recognise what has been done already. */
  readonly alone: (item: Item) => Promise<Result>;
  /** Transactions at once. While fewer run, nobody waits. */
  readonly lanes: number;
  /** After this long a transaction no longer fills its lane: a server that says nothing must not stop those who come later. */
  readonly laneTimeoutMs: number;
  /** Items in one transaction at most. */
  readonly maxItems: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Items that arrive while a transaction runs share the next one. Nothing is held back to wait for company: an item that
 * finds a free lane goes at once, alone.
 */
export class GroupCommit<Item, Result> {
  readonly #options: GroupCommitOptions<Item, Result>;
  readonly #queue: Waiting<Item, Result>[] = [];
  #running = 0;

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.#options = options;
  }

  /** Resolves when the item has been committed. Rejects as `alone` does. */
  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      if (this.#running < this.#options.lanes) void this.#run();
    });
  }

  async #run(): Promise<void> {
    const { together, maxItems, laneTimeoutMs } = this.#options;
    const late = (): Error => new Error(`a transaction took longer than ${laneTimeoutMs} ms`);
    this.#running += 1;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, maxItems);
      if (batch.length === 1) {
        await withDeadline(this.#singly(batch), laneTimeoutMs, late).catch(() => {});
        continue;
      }
      try {
        const results = await withDeadline(together(batch.map(({ item }) => item)), laneTimeoutMs, late);
        batch.forEach(({ resolve }, index) => resolve(results[index]!));
      } catch {
        // Not waited for: one bad item must keep nobody out of the lane.
        void this.#singly(batch);
      }
    }
    this.#running -= 1;
  }

  async #singly(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    await Promise.all(batch.map(({ item, resolve, reject }) => this.#options.alone(item).then(resolve, reject)));
  }
}
