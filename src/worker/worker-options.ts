import type { Consumer } from '../broker/consumer.ts';
import { ConfigurationError } from '../errors.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { type Ranges, resolveWholeNumbers } from '../shared/whole-number-options.ts';
import type { DeadLetterSink } from './dead-letter-sink.ts';
import type { AnyListener } from './message-listener.ts';
import type { ProcessedMessageStore } from './processed-message-store.ts';
import { MAX_INVISIBLE_MS } from './retry-options.ts';
import type { UnknownOutcomeSink } from './unknown-outcome-sink.ts';
import type { EndTransactions } from './end-transactions.ts';

/** A listener and the consumer, of the listener's topic and group, that feeds it. */
export interface ConsumedListener {
  readonly listener: AnyListener;
  readonly consumer: Consumer;
}

/** The figures of a worker; each has a default. */
export interface WorkerLimits {
  /** Deliveries worked at once by each listener that does not say otherwise. Default 16. */
  readonly concurrency: number;
  /** How long a delivery stays invisible to other workers before it is renewed, in milliseconds. A stock proxy refuses less than 10 s. Default 30 s. */
  readonly leaseMs: number;
  /** The longest a handler runs: then its signal aborts and its lease is renewed no more, so that a hanging one does not keep its message for ever. Default 10 min. */
  readonly maxHandlingMs: number;
  /** What `close()` gives running handlers when it is not told. Default 30 s. */
  readonly drainMs: number;
  /** How long a dead message is postponed when there is no `deadLetter` sink. Default 30 min. */
  readonly parkMs: number;
}

export const DEFAULT_WORKER_LIMITS: WorkerLimits = Object.freeze({
  concurrency: 16,
  leaseMs: 30_000,
  maxHandlingMs: 600_000,
  drainMs: 30_000,
  parkMs: 1_800_000,
});

/** What a worker needs of a gateway. */
export type CallingGateway = Pick<Gateway, 'call'> & Partial<Pick<Gateway, 'onCircuitChange'>>;

/** What a worker is made of. The consumers and the gateway stay the caller's: `Worker.close()` does not close them. */
export interface WorkerOptions extends Partial<WorkerLimits> {
  readonly consumers: Iterable<ConsumedListener>;
  /** Needed by listeners with `call`. While one of its circuits is open, the listeners of that origin receive nothing. */
  readonly gateway?: CallingGateway | undefined;
  /** Needed by listeners with `handle`. */
  readonly processed?: ProcessedMessageStore | undefined;
  /** Told of every call that ended UNKNOWN, before its message is acknowledged. Default: the call's row alone says so. */
  readonly unknownOutcome?: UnknownOutcomeSink | undefined;
  /** Where ends of calls are recorded, for compensating events. Default: in the store's own transactions. */
  readonly inTransaction?: EndTransactions | undefined;
  /** Default: without, dead messages are postponed until the broker moves them to `%DLQ%<group>`. */
  readonly deadLetter?: DeadLetterSink | undefined;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Gives a number in [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
}

const RANGES: Ranges<WorkerLimits> = {
  concurrency: [1, 10_000],
  leaseMs: [1_000, MAX_INVISIBLE_MS],
  maxHandlingMs: [1_000, MAX_INVISIBLE_MS],
  drainMs: [0, MAX_INVISIBLE_MS],
  parkMs: [1_000, MAX_INVISIBLE_MS],
};

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveWorkerLimits = (options: Partial<WorkerLimits>): WorkerLimits =>
  resolveWholeNumbers(options, DEFAULT_WORKER_LIMITS, RANGES);

/**
 * Checks that every listener has what it needs and a consumer of its own topic and group, and that no two share both: the
 * broker would spread one group's messages over them at random. Throws `ConfigurationError` naming the listener.
 */
export const resolveConsumedListeners = ({ consumers, gateway, processed }: WorkerOptions): readonly ConsumedListener[] => {
  const owners = new Map<string, string>();
  const names = new Set<string>();
  for (const { listener, consumer } of consumers) {
    const wanted = `topic ${listener.topic}, group ${listener.group}`;
    const given = `topic ${consumer.topic}, group ${consumer.group}`;
    if (wanted !== given) throw new ConfigurationError(`message listener ${listener.name}: it needs ${wanted}; its consumer has ${given}`);
    if (names.has(listener.name)) throw new ConfigurationError(`message listener ${listener.name}: the name is used twice`);
    if (listener.call !== undefined && gateway === undefined)
      throw new ConfigurationError(`message listener ${listener.name}: it needs a gateway`);
    if (listener.handle !== undefined && processed === undefined) {
      throw new ConfigurationError(`message listener ${listener.name}: it needs a store of processed messages`);
    }
    const owner = owners.get(wanted);
    if (owner !== undefined) throw new ConfigurationError(`message listeners ${owner} and ${listener.name} share ${wanted}`);
    names.add(listener.name);
    owners.set(wanted, listener.name);
  }
  if (names.size === 0) throw new ConfigurationError('a worker needs at least one message listener');
  return [...consumers];
};
