import type { Delivery } from '../broker/consumer.ts';
import { BrokerError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';

/** A delivery kept invisible to other workers for as long as it is being worked. */
export interface Lease {
  /**
   * Renews no more, and resolves when a renewal under way has ended: only then may the delivery be acknowledged or
   * postponed, because it takes one request at a time and a renewal changes its receipt. Idempotent; never rejects.
   */
  release(): Promise<void>;
}

export interface LeaseOptions {
  readonly leaseMs: number;
  /** Renewing stops after this long, and `onExhausted` is told. */
  readonly maxMs: number;
  readonly clock: Clock;
  /** A renewal failed; it is tried again while the lease lasts. */
  readonly onFailure: (error: unknown) => void;
  /** The lease is gone: another worker may get the message while this one still works on it. */
  readonly onLost: (error: unknown) => void;
  readonly onExhausted: () => void;
}

/**
 * Renews the lease of a delivery, that has just been received for `leaseMs`, whenever half of it is gone, until
 * `release()`. A renewal that fails is repeated after an eighth of the lease, until the lease has ended or the broker
 * says that its receipt is no longer good. Losing it is no error here: the idempotency key keeps the effect single.
 */
export const keepLease = (delivery: Delivery, options: LeaseOptions): Lease => {
  const { leaseMs, maxMs, clock } = options;
  const released = new AbortController();

  const renewUntilReleased = async (): Promise<void> => {
    const startedAt = clock.now();
    let endsAt = startedAt + leaseMs;
    let waitMs = leaseMs / 2;
    for (;;) {
      const leftMs = startedAt + maxMs - clock.now();
      await clock.sleep(Math.min(waitMs, leftMs), released.signal);
      if (clock.now() >= startedAt + maxMs) return options.onExhausted();
      // Counted from before the request: the broker starts the new duration somewhere between request and answer.
      const askedAt = clock.now();
      try {
        await delivery.changeInvisibleDuration(leaseMs);
        endsAt = askedAt + leaseMs;
        waitMs = leaseMs / 2;
      } catch (error) {
        waitMs = leaseMs / 8;
        const isGone = error instanceof BrokerError && !error.retryable;
        if (isGone || clock.now() + waitMs >= endsAt) return options.onLost(error);
        options.onFailure(error);
      }
      if (released.signal.aborted) return;
    }
  };

  // The only rejection left is the sleep that `release()` aborts.
  const ended = renewUntilReleased().catch(() => {});
  return {
    release: () => {
      released.abort();
      return ended;
    },
  };
};
