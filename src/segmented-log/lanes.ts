import type { OutgoingMessage } from '../broker/message.ts';

/** A message of a log on its way. */
export interface NumberedMessage {
  readonly number: number;
  readonly message: OutgoingMessage;
}

interface Lane {
  readonly name: string | number;
  readonly queue: NumberedMessage[];
  /** Sends of its first message that failed. */
  failures: number;
  dueAt: number;
}

/** The first message of a lane, taken to be sent; its lane waits until it is told what became of it. */
export interface Turn extends NumberedMessage {
  /** 1 at the first. */
  readonly attempt: number;
  /** It needs no more sending. */
  done(): void;
  /** It was not sent: not again before `dueAt`. */
  failed(dueAt: number): void;
}

/**
 * Messages in memory, by lane: those of one topic and first key are given out one at a time and in their order; those
 * without a key in any. Pure: knows neither broker nor disk.
 */
export class Lanes {
  readonly #lanes = new Map<string | number, Lane>();
  #ready: Lane[] = [];
  readonly #resting = new Set<Lane>();
  #count = 0;
  #bytes = 0;

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(added: NumberedMessage): void {
    const { topic, keys, body } = added.message;
    const name = keys[0] === undefined ? added.number : `${topic} ${keys[0]}`;
    this.#count += 1;
    this.#bytes += body.length;
    const found = this.#lanes.get(name);
    if (found !== undefined) {
      found.queue.push(added);
      return;
    }
    const lane: Lane = { name, queue: [added], failures: 0, dueAt: 0 };
    this.#lanes.set(name, lane);
    this.#ready.push(lane);
  }

  /** The lane that has waited longest among those that may be sent. */
  take(now: number): Turn | undefined {
    for (const lane of this.#resting) {
      if (lane.dueAt > now) continue;
      this.#resting.delete(lane);
      this.#ready.push(lane);
    }
    const lane = this.#ready.shift();
    if (lane === undefined) return undefined;
    const first = lane.queue[0]!;
    return {
      ...first,
      attempt: lane.failures + 1,
      done: () => {
        lane.queue.shift();
        lane.failures = 0;
        this.#count -= 1;
        this.#bytes -= first.message.body.length;
        if (lane.queue.length === 0) this.#lanes.delete(lane.name);
        else this.#ready.push(lane);
      },
      failed: (dueAt) => {
        lane.failures += 1;
        lane.dueAt = dueAt;
        this.#resting.add(lane);
      },
    };
  }

  /** When the next resting lane may be sent; `undefined` when none rests. */
  nextDueAt(): number | undefined {
    let earliest: number | undefined;
    for (const { dueAt } of this.#resting) if (earliest === undefined || dueAt < earliest) earliest = dueAt;
    return earliest;
  }

  /** No lane rests any longer: what held them all up is over. */
  wakeAll(): void {
    for (const lane of this.#resting) lane.dueAt = 0;
  }
}
