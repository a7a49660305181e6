import { describe, expect, it } from 'vitest';
import type { SagaInstance, SagaStepRecord } from '../../src/saga/saga-instance.ts';
import { canSagaMove } from '../../src/saga/saga-status.ts';
import { type StepOutcome, settleStep } from '../../src/saga/settle-step.ts';
import { canStepMove } from '../../src/saga/step-status.ts';
import { MAX_ATTEMPTS, STATUS_CHECK, booking } from './support/booking.ts';

const saga = booking(() => {
  throw new Error('not run');
});
const TIMES = STATUS_CHECK;

/** At the third of four steps, `ship`, in the given direction, its record as `record` says. */
const at = (direction: 'action' | 'compensation', record: Partial<SagaStepRecord> = {}): SagaInstance => ({
  id: 's',
  saga: saga.name,
  version: 1,
  fingerprint: saga.fingerprint,
  input: '{}',
  correlationId: 'c',
  status: direction === 'action' ? 'RUNNING' : 'COMPENSATING',
  step: 2,
  direction,
  revision: 0,
  error: undefined,
  steps: [
    {
      step: 2,
      name: 'ship',
      direction,
      status: 'RUNNING',
      attempts: 1,
      failures: 0,
      round: 1,
      asked: 0,
      unknownForMs: undefined,
      result: undefined,
      error: undefined,
      ...record,
    },
  ],
});
const settle = (instance: SagaInstance, outcome: StepOutcome, random = 0.999) => settleStep(saga, instance, outcome, () => random);
const unknown = (asked: boolean, times: typeof TIMES | undefined = TIMES): StepOutcome => ({
  kind: 'unknown',
  error: 'silence',
  asked,
  times,
});

describe('settleStep', () => {
  it('goes on to the next action, back to the nearest compensation, and to an end', () => {
    const done: StepOutcome = { kind: 'done', result: '1' };
    expect(settle(at('action'), done).to).toMatchObject({ status: 'RUNNING', step: 3, direction: 'action', afterMs: undefined });
    expect(settle({ ...at('action'), step: 3 }, done).to).toMatchObject({ status: 'COMPLETED', step: 3 });
    expect(settle(at('compensation'), done).to).toMatchObject({ status: 'COMPENSATING', step: 1, direction: 'compensation' });
    expect(settle({ ...at('compensation'), step: 0 }, done).to).toMatchObject({ status: 'COMPENSATED', step: 0 });
    expect(settle(at('action'), { kind: 'failed', error: 'no' })).toMatchObject({
      step: { status: 'FAILED', error: 'no' },
      to: { status: 'COMPENSATING', step: 1, direction: 'compensation', error: 'action of "ship": no' },
    });
  });

  it('waits after a failure without effect, not before the institution allows, and gives an action up with its call', () => {
    const giveUp = { callName: 'ship', key: 's:ship' };
    const noEffect: StepOutcome = { kind: 'no-effect', error: 'busy', counts: true, retryAfterMs: 5_000, giveUp };
    const first = settle(at('action'), noEffect, 0.5);
    expect(first).toMatchObject({ step: { status: 'WAITING', failures: 1 }, to: { status: 'RUNNING', step: 2, afterMs: 5_050 } });
    expect(first.giveUp).toBeUndefined();
    const last = settle(at('action', { failures: MAX_ATTEMPTS - 1 }), noEffect);
    expect(last).toMatchObject({ step: { status: 'FAILED' }, to: { status: 'COMPENSATING', step: 1 }, giveUp });
    expect(settle(at('compensation', { failures: MAX_ATTEMPTS - 1 }), noEffect)).toMatchObject({
      step: { status: 'WAITING' },
      to: { status: 'PARKED' },
    });
  });

  it('sends a compensation that was refused again as another request, and parks it in the end', () => {
    const failed: StepOutcome = { kind: 'failed', error: 'no' };
    expect(settle(at('compensation', { round: 2 }), failed)).toMatchObject({
      step: { status: 'WAITING', round: 3 },
      to: { status: 'COMPENSATING', step: 2 },
    });
    expect(settle(at('compensation', { failures: MAX_ATTEMPTS - 1 }), failed)).toMatchObject({
      step: { status: 'FAILED', round: 1 },
      to: { status: 'PARKED' },
    });
  });

  it('asks after an unknown outcome ever less often, and parks it past its age', () => {
    expect(settle(at('action'), unknown(false))).toMatchObject({
      step: { status: 'UNKNOWN', asked: 0 },
      to: { status: 'RUNNING', afterMs: 300_000 },
    });
    const asked = (times: number, unknownForMs = 0): SagaInstance => at('action', { status: 'UNKNOWN', asked: times, unknownForMs });
    expect(settle(asked(0), unknown(true), 0).to.afterMs).toBe(300_000);
    expect(settle(asked(0), unknown(true)).to.afterMs).toBeGreaterThan(599_000);
    expect(settle(asked(20), unknown(true)).to.afterMs).toBeLessThanOrEqual(TIMES.maxDelayMs);
    expect(settle(asked(3, TIMES.maxAgeMs), unknown(true))).toMatchObject({
      step: { status: 'UNKNOWN' },
      to: { status: 'PARKED', step: 2, direction: 'action' },
    });
  });

  it('parks an unknown outcome that nobody can be asked about', () => {
    const parked = settle(at('action'), { kind: 'unknown', error: 'silence', asked: false, times: undefined });
    expect(parked).toMatchObject({
      step: { status: 'UNKNOWN' },
      to: { status: 'PARKED', error: expect.stringContaining('no status check') },
    });
  });

  it('forgets no unknown outcome when it could not even be tried, and never gives an action up for that', () => {
    const threw = (counts: boolean): StepOutcome => ({ kind: 'threw', error: 'circuit open', counts, retryAfterMs: 9_000 });
    const waiting = settle(at('action', { status: 'UNKNOWN', asked: 4, failures: 2, unknownForMs: 1 }), threw(false), 0);
    expect(waiting).toMatchObject({ step: { status: 'UNKNOWN', asked: 4, failures: 2 }, to: { status: 'RUNNING', afterMs: 9_000 } });
    expect(settle(at('action', { failures: MAX_ATTEMPTS - 1 }), threw(true)).to.status).toBe('PARKED');
  });

  it('makes only moves that the tables know', () => {
    const outcomes: StepOutcome[] = [
      { kind: 'done', result: undefined },
      { kind: 'failed', error: '' },
      { kind: 'no-effect', error: '', counts: true },
      { kind: 'threw', error: '', counts: true },
      unknown(false),
      unknown(true),
      { kind: 'unknown', error: '', asked: false, times: undefined },
    ];
    for (const direction of ['action', 'compensation'] as const) {
      for (const status of ['RUNNING', 'UNKNOWN'] as const) {
        for (const failures of [0, MAX_ATTEMPTS - 1]) {
          for (const outcome of outcomes) {
            const instance = at(direction, { status, failures, unknownForMs: TIMES.maxAgeMs });
            const { step, to } = settle(instance, outcome);
            expect([canStepMove(status, step.status), canSagaMove(instance.status, to.status)], JSON.stringify(outcome)).toEqual([
              true,
              true,
            ]);
          }
        }
      }
    }
  });
});
