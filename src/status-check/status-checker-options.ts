import type { Consumer } from '../broker/consumer.ts';
import { ConfigurationError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { type Ranges, resolveWholeNumbers } from '../shared/whole-number-options.ts';
import type { AnyMessageListener } from '../worker/message-listener.ts';
import type { CheckContext, ListenersByName } from './check-context.ts';

/** The figures of a status checker; each has a default. */
export interface StatusCheckerLimits {
  /** Between two looks at the database for what is due, ±50 % at random so that many checkers do not look together. Default 30 s. */
  readonly sweepMs: number;
  /** Records worked at once. Default 8. */
  readonly concurrency: number;
  /**
   * How long a claimed record is left alone by other checkers. Longer than a question with its retries and a repeated
   * request together, or one may be asked twice at once: harmless, and a waste. Default 3 min.
   */
  readonly leaseMs: number;
  /** What `close()` gives running checks when it is not told. Default 30 s. */
  readonly drainMs: number;
}

export const DEFAULT_STATUS_CHECKER_LIMITS: StatusCheckerLimits = Object.freeze({
  sweepMs: 30_000,
  concurrency: 8,
  leaseMs: 180_000,
  drainMs: 30_000,
});

/** What a status checker is made of. Store, gateway and consumer stay the caller's: `close()` does not close them. */
export interface StatusCheckerOptions extends Partial<StatusCheckerLimits>, Pick<CheckContext, 'store' | 'calls' | 'gateway' | 'worker'> {
  /** Records of other listeners are left to other processes. */
  readonly listeners: Iterable<AnyMessageListener>;
  /** Of the DELAY topic that timer messages go to, in a group that all checkers share. Default: none, the sweep alone. */
  readonly timers?: Consumer | undefined;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Gives a number in [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
}

const RANGES: Ranges<StatusCheckerLimits> = {
  sweepMs: [100, 86_400_000],
  concurrency: [1, 1_000],
  leaseMs: [1_000, 86_400_000],
  drainMs: [0, 86_400_000],
};

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export const resolveStatusCheckerLimits = (options: Partial<StatusCheckerLimits>): StatusCheckerLimits =>
  resolveWholeNumbers(options, DEFAULT_STATUS_CHECKER_LIMITS, RANGES);

/** Throws `ConfigurationError` naming a listener that is there twice. */
export const listenersByName = (listeners: Iterable<AnyMessageListener>): ListenersByName => {
  const byName = new Map<string, AnyMessageListener>();
  for (const listener of listeners) {
    if (byName.has(listener.name)) throw new ConfigurationError(`message listener ${listener.name}: the name is used twice`);
    byName.set(listener.name, listener);
  }
  return byName;
};
