import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AuditUnavailableError,
  CallInFlightError,
  CallRejectedError,
  CallThrottledError,
  CallUnavailableError,
  CircuitOpenError,
  ConnectError,
  InvalidMessageError,
  ReadTimeoutError,
} from '../../src/errors.ts';
import type { CheckbackError } from '../../src/errors.ts';
import type { CallOutcome } from '../../src/gateway/gateway.ts';
import { dispositionOfError, dispositionOfOutcome } from '../../src/worker/disposition.ts';
import { DEFAULT_RETRY_OPTIONS, fullJitter, MAX_INVISIBLE_MS, resolveRetryOptions } from '../../src/worker/retry-options.ts';

const retry = DEFAULT_RETRY_OPTIONS;
const context = (deliveryAttempt: number, random = () => 0.5) => ({ deliveryAttempt, retry, random });
const pending = (error: CheckbackError, attempt: number, retryAfterMs?: number): CallOutcome<unknown> => ({
  status: 'PENDING',
  error,
  retryAfterMs,
  attempt,
});
const unavailable = new CallUnavailableError('429');
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('Disposition', () => {
  it.each<CallOutcome<unknown>>([
    { status: 'SUCCESS', response: {}, httpStatus: 200, replayed: false },
    { status: 'FAIL', error: new CallRejectedError('no funds'), httpStatus: 422, response: {}, replayed: false },
    { status: 'UNKNOWN', error: new ReadTimeoutError('no headers'), replayed: false },
  ])('acknowledges $status at any attempt', (outcome) => {
    expect(dispositionOfOutcome(outcome, context(1))).toEqual({ kind: 'ack' });
    expect(dispositionOfOutcome(outcome, context(99))).toEqual({ kind: 'ack' });
  });

  it('retries PENDING after a jittered backoff that doubles with each delivery', () => {
    const afterMs = [1, 2, 3, 4].map((attempt) => {
      const disposition = dispositionOfOutcome(pending(unavailable, attempt), context(attempt));
      return disposition.kind === 'retry' && disposition.afterMs;
    });
    expect(afterMs).toEqual([500, 1_000, 2_000, 4_000]);
  });

  it('retries PENDING not before retryAfterMs, spread by the jitter, and within what the broker takes', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 * MAX_INVISIBLE_MS }), fc.integer({ min: 1, max: 15 }), randoms, (retryAfterMs, attempt, random) => {
        const disposition = dispositionOfOutcome(
          pending(unavailable, 1, retryAfterMs),
          context(attempt, () => random),
        );
        const ceilingMs = Math.min(retry.maxMs, retry.baseMs * 2 ** (attempt - 1));
        expect(disposition.kind).toBe('retry');
        const { afterMs } = disposition as { afterMs: number };
        expect(afterMs).toBeGreaterThanOrEqual(Math.min(retryAfterMs, MAX_INVISIBLE_MS));
        expect(afterMs).toBeLessThanOrEqual(Math.min(retryAfterMs + ceilingMs, MAX_INVISIBLE_MS));
      }),
    );
  });

  it('retries PENDING until maxDeliveries, whatever the number of the call', () => {
    expect(dispositionOfOutcome(pending(new ConnectError('refused'), 45), context(15)).kind).toBe('retry');
    expect(dispositionOfOutcome(pending(unavailable, 15), context(15)).kind).toBe('retry');
    expect(dispositionOfOutcome(pending(unavailable, 16), context(16))).toEqual({
      kind: 'deadLetter',
      reason: 'given up after 16 deliveries: CallUnavailableError: 429',
    });
  });

  it('counts a delivery that came to no attempt at nothing, and never gives up for want of a try', () => {
    // The broker has counted 40 deliveries, the call's row three attempts.
    expect(dispositionOfOutcome(pending(unavailable, 3), context(40)).kind).toBe('retry');
    expect(dispositionOfOutcome(pending(unavailable, 16), context(40)).kind).toBe('deadLetter');
    for (const error of [
      new CircuitOpenError('open', { retryAfterMs: 5_000 }),
      new CallThrottledError('full', { retryAfterMs: 100, limit: 'concurrency' }),
      new CallInFlightError('elsewhere'),
    ]) {
      expect(dispositionOfOutcome(pending(error, 99), context(99)).kind).toBe('retry');
    }
  });

  it('takes the backoff of the class of failure before the listener’s own', () => {
    const byClass = { connect: { maxDeliveries: 3, baseMs: 10_000, maxMs: 20_000 }, audit: { baseMs: 100 } };
    const own = (deliveryAttempt: number) => ({ ...context(deliveryAttempt), retry: resolveRetryOptions({ byClass }) });
    const refused = new ConnectError('refused');
    expect(dispositionOfOutcome(pending(refused, 1), own(1))).toMatchObject({ kind: 'retry', afterMs: 5_000 });
    expect(dispositionOfOutcome(pending(refused, 3), own(3)).kind).toBe('deadLetter');
    expect(dispositionOfError(new AuditUnavailableError('down'), own(2))).toMatchObject({ kind: 'retry', afterMs: 100 });
    expect(dispositionOfError(new Error('bug'), own(2))).toMatchObject({ kind: 'retry', afterMs: 1_000 });
  });

  it('dead-letters poison at the first delivery', () => {
    expect(dispositionOfError(new InvalidMessageError('body is not UTF-8'), context(1))).toEqual({
      kind: 'deadLetter',
      reason: 'InvalidMessageError: body is not UTF-8',
    });
  });

  it.each([
    ['an audit that cannot be written', new AuditUnavailableError('insert failed')],
    ['an unknown error', new TypeError('boom')],
    ['a thrown string', 'boom'],
    ['a thrown object without a prototype', Object.create(null)],
    ['a thrown undefined', undefined],
  ])('retries %s, and dead-letters it after maxDeliveries', (_, error) => {
    expect(dispositionOfError(error, context(1)).kind).toBe('retry');
    expect(dispositionOfError(error, context(15)).kind).toBe('retry');
    expect(dispositionOfError(error, context(16)).kind).toBe('deadLetter');
  });
});

describe('Full jitter', () => {
  it('lies in whole milliseconds between 0 and the doubled, bounded base', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 5_000 }), randoms, (attempt, random) => {
        const ms = fullJitter(attempt, retry, () => random);
        expect(Number.isInteger(ms)).toBe(true);
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(Math.min(retry.maxMs, retry.baseMs * 2 ** Math.max(0, attempt - 1)));
      }),
    );
  });

  it('reaches from one end of its range to the other', () => {
    expect(fullJitter(3, retry, () => 0)).toBe(0);
    expect(fullJitter(3, retry, () => 0.999_999)).toBe(3_999);
  });
});
