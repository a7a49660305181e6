import type { Delivery, ReceiveRequest, Subscription } from './subscription.ts';
import type { Timetable } from './timetable.ts';

interface Poll {
  readonly request: ReceiveRequest;
  readonly answer: (deliveries: readonly Delivery[]) => void;
}

/** What waits on one subscription at most; more are told that the polls are full. */
const MOST_WAITING = 1_024;

/** Receives that found nothing and wait for the first message. First come, first served. */
export class LongPolls {
  readonly #timetable: Timetable;
  readonly #waiting = new Map<Subscription, Set<Poll>>();

  constructor(timetable: Timetable) {
    this.#timetable = timetable;
  }

  get size(): number {
    let size = 0;
    for (const polls of this.#waiting.values()) size += polls.size;
    return size;
  }

  /** Answers as soon as there is something, and with nothing after `waitMs` or once `signal` aborts. `undefined`: too many wait already. */
  receive(
    subscription: Subscription,
    request: ReceiveRequest,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<readonly Delivery[]> | undefined {
    const { deliveries, isEmpty } = subscription.receive(request);
    if (!isEmpty || waitMs <= 0 || signal.aborted) return Promise.resolve(deliveries);
    const polls = this.#waiting.get(subscription) ?? new Set();
    if (polls.size >= MOST_WAITING) return undefined;
    this.#waiting.set(subscription, polls);
    return new Promise((resolve) => {
      const answer = (found: readonly Delivery[]): void => {
        polls.delete(poll);
        if (polls.size === 0) this.#waiting.delete(subscription);
        end.cancel();
        signal.removeEventListener('abort', giveUp);
        resolve(found);
      };
      const giveUp = (): void => answer([]);
      const poll = { request, answer };
      const end = this.#timetable.after(waitMs, giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
      polls.add(poll);
    });
  }

  /** There may be something for those who wait here. */
  serve(subscription: Subscription): void {
    const polls = this.#waiting.get(subscription);
    if (polls === undefined) return;
    for (const poll of polls) {
      const { deliveries, isEmpty } = subscription.receive(poll.request);
      if (!isEmpty) poll.answer(deliveries);
    }
  }

  /** Answers everybody with nothing. */
  endAll(): void {
    for (const polls of this.#waiting.values()) for (const poll of polls) poll.answer([]);
  }
}
