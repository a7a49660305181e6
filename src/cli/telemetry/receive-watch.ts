import type { Consumer } from '../../broker/consumer.ts';
import { CheckbackError } from '../../errors.ts';
import type { Clock } from '../../shared/clock.ts';
import { systemClock } from '../../shared/clock.ts';

/** Two long polls and the time of a request: no answer for longer is no session. */
const HUNG_AFTER_MS = 40_000;

interface Seen {
  readonly topic: string;
  failure: string | undefined;
  askingSince: number | undefined;
}

/** Knows how the broker answers the consumers of this process, from what they ask anyway. */
export class ReceiveWatch {
  readonly #consumers: Seen[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** The same consumer, watched. */
  watch(consumer: Consumer): Consumer {
    const { topic, group } = consumer;
    const seen: Seen = { topic, failure: undefined, askingSince: undefined };
    this.#consumers.push(seen);
    return {
      topic,
      group,
      receive: async (max, invisibleMs, signal) => {
        seen.askingSince = this.#clock.now();
        try {
          const received = await consumer.receive(max, invisibleMs, signal);
          seen.failure = undefined;
          return received;
        } catch (error) {
          if (!signal?.aborted) seen.failure = error instanceof CheckbackError ? error.code : 'an error';
          throw error;
        } finally {
          seen.askingSince = undefined;
        }
      },
      close: (deadlineMs) => consumer.close(deadlineMs),
    };
  }

  /** Why the broker cannot be relied upon; `undefined` when every consumer's last question was answered. */
  complaint(): string | undefined {
    const now = this.#clock.now();
    for (const { topic, failure, askingSince } of this.#consumers) {
      if (failure !== undefined) return `receiving from topic "${topic}" fails with ${failure}`;
      if (askingSince !== undefined && now - askingSince > HUNG_AFTER_MS)
        return `no answer about topic "${topic}" for ${now - askingSince} ms`;
    }
    return undefined;
  }
}
