import { describe, expect, it } from 'vitest';
import { orderPayments } from '../../listeners/reconciliation/order-payments.source.ts';
import { chargePayment } from '../../listeners/charge-payment.listener.ts';
import { type Known, nextStep } from '../../src/reconciliation/next-step.ts';
import type { CallStanding, CheckStanding } from '../../src/reconciliation/open-call-store.ts';
import { STATUS_CHECK_STATES } from '../../src/status-check/status-check-state.ts';

const standing = (changes: Partial<CallStanding> = {}): CallStanding => ({
  callName: 'charge-payment',
  idempotencyKey: 'o-1',
  correlationId: 'c-1',
  status: 'UNKNOWN',
  attemptLeaseMs: 0,
  isAbandoned: false,
  openForMs: 1,
  isOfSaga: false,
  check: undefined,
  ...changes,
});
const check = (changes: Partial<CheckStanding> = {}): CheckStanding => ({
  listener: 'charge-payment',
  state: 'DUE',
  isDue: true,
  leaseMs: 0,
  ...changes,
});
const known: Known = { listeners: [chargePayment], sources: [orderPayments] };
const verdict = (of: CallStanding, by: Known = known): string => {
  const step = nextStep(of, by);
  return step.kind === 'verdict' ? step.verdict : step.kind;
};

describe('nextStep', () => {
  it.each(['SUCCESS', 'FAIL'] as const)('%s is the end, whatever its status check says', (status) => {
    for (const state of STATUS_CHECK_STATES) expect(verdict(standing({ status, check: check({ state }) }))).toBe(status);
    expect(verdict(standing({ status, isOfSaga: true }))).toBe(status);
  });

  it('leaves a saga its calls, in any state', () => {
    for (const check_ of [undefined, check()]) expect(verdict(standing({ isOfSaga: true, check: check_, attemptLeaseMs: 5 }))).toBe('SAGA');
  });

  it.each([
    ['an attempt under way', { status: 'PENDING', attemptLeaseMs: 70 }, 70],
    ['a status check that somebody works on', { check: check({ leaseMs: 40 }) }, 40],
  ] as const)('waits for %s', (_what, changes, ms) => {
    expect(nextStep(standing(changes), known)).toEqual({ kind: 'wait', ms });
  });

  it.each(['DUE', 'RETRY'] as const)('asks when a status check that is %s has come to its time, and not before', (state) => {
    expect(verdict(standing({ check: check({ state }) }))).toBe('ask');
    expect(verdict(standing({ status: 'PENDING', check: check({ state }) }))).toBe('ask');
    expect(verdict(standing({ check: check({ state, isDue: false }) }))).toBe('WAITING');
  });

  it.each(['REVIEW', 'DONE'] as const)('leaves an open call whose status check is %s to a person', (state) => {
    expect(verdict(standing({ check: check({ state }) }))).toBe('REVIEW');
  });

  it('leaves a status check of a listener that is not here to others', () => {
    expect(verdict(standing({ check: check({ listener: 'other' }) }))).toBe('NO_LISTENER');
    expect(verdict(standing({ callName: 'other', check: check() }))).toBe('NO_LISTENER');
  });

  it('looks for the message of what has no status check, and guesses none', () => {
    expect(nextStep(standing(), known)).toEqual({ kind: 'rebuild', source: orderPayments });
    expect(verdict(standing({ status: 'PENDING', isAbandoned: true }))).toBe('rebuild');
    expect(verdict(standing(), { ...known, sources: [] })).toBe('NO_MESSAGE');
    expect(verdict(standing(), { listeners: [], sources: [orderPayments] })).toBe('NO_LISTENER');
    const two = [chargePayment, { ...chargePayment, name: 'charge-again' }];
    expect(nextStep(standing(), { ...known, listeners: two })).toMatchObject({
      verdict: 'NO_MESSAGE',
      why: 'several listeners make this call',
    });
  });

  it('a call between attempts has no outcome to ask after', () => {
    expect(verdict(standing({ status: 'PENDING' }))).toBe('IDLE');
  });
});
