import type { Clock } from '../shared/clock.ts';

interface Entry {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Something that will happen at its time unless it is cancelled. Cancelling twice, or late, does nothing. */
export interface Appointment {
  cancel(): void;
}

/** Longest single sleep: timers of more than 24.8 days would fire at once. */
const LONGEST_SLEEP_MS = 86_400_000;

/**
 * Everything of the broker that happens by itself happens here, in the order of its time and, at one time, in the order
 * it was asked for. One sleep on the clock at any moment, none after `close()`; a clock that is turned by hand moves all of it.
 */
export class Timetable {
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #heap: Entry[] = [];
  #cancelled = 0;
  #order = 0;
  #sleepingUntil = 0;
  #wake: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  /** Appointments in memory: those ahead, and the cancelled ones that are yet to be swept away. */
  get kept(): number {
    return this.#heap.length;
  }

  /** How many appointments are ahead. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** Runs `run` once at `at`, or as soon as possible when that is over. It must not throw. */
  at(at: number, run: () => void): Appointment {
    const entry: Entry = { at, order: this.#order++, run };
    push(this.#heap, entry);
    if (at < this.#sleepingUntil) this.#wake?.();
    return {
      cancel: () => {
        if (entry.run === undefined) return;
        entry.run = undefined;
        this.#cancelled += 1;
        // Acknowledged messages leave their invisible times behind, which may be hours ahead.
        if (this.#cancelled > 1_000 && this.#cancelled * 2 > this.#heap.length) this.#sweep();
      },
    };
  }

  after(ms: number, run: () => void): Appointment {
    return this.at(this.now() + ms, run);
  }

  /** Runs until `close()`. Never rejects. */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#runDue();
      await this.#sleep();
    }
  }

  /** Nothing runs any more; what was ahead is forgotten. Idempotent. */
  close(): void {
    this.#heap = [];
    this.#cancelled = 0;
    this.#stop.abort(new Error('the timetable is closed'));
    this.#wake?.();
  }

  #runDue(): void {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || this.#stop.signal.aborted) return;
      if (next.run !== undefined && next.at > this.now()) return;
      pop(this.#heap);
      const { run } = next;
      if (run === undefined) this.#cancelled -= 1;
      else {
        next.run = undefined;
        run();
      }
    }
  }

  async #sleep(): Promise<void> {
    const wake = new AbortController();
    this.#wake = () => wake.abort(new Error('an earlier appointment'));
    this.#sleepingUntil = this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
    const ms = Math.max(0, Math.min(LONGEST_SLEEP_MS, this.#sleepingUntil - this.now()));
    // Not with a signal of its own life beside it: this one ends with the sleep, and nothing adds up.
    await this.#clock.sleep(ms, wake.signal).catch(() => {});
    this.#wake = undefined;
    this.#sleepingUntil = 0;
  }

  #sweep(): void {
    const live = this.#heap.filter((entry) => entry.run !== undefined).sort(compare);
    this.#heap = live;
    this.#cancelled = 0;
  }
}

function compare(left: Entry, right: Entry): number {
  return left.at - right.at || left.order - right.order;
}

function push(heap: Entry[], entry: Entry): void {
  let index = heap.push(entry) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (compare(heap[parent]!, entry) <= 0) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop()!;
  const { length } = heap;
  if (length === 0) return;
  let index = 0;
  for (;;) {
    let child = index * 2 + 1;
    if (child >= length) break;
    if (child + 1 < length && compare(heap[child + 1]!, heap[child]!) < 0) child += 1;
    if (compare(last, heap[child]!) <= 0) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = last;
}
