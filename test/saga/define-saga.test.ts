import { describe, expect, expectTypeOf, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { defineExternalCall } from '../../src/gateway/external-call.ts';
import { type AnySaga, defineSaga } from '../../src/saga/define-saga.ts';

const charge = defineExternalCall<{ amountMinor: number }, { paymentId: string }>({
  name: 'charge',
  origin: 'bank',
  method: 'POST',
  path: '/payments',
});
const nothing = () => {};

describe('defineSaga', () => {
  it('gives each step the results of those before it', () => {
    const saga = defineSaga<{ orderId: string }>({ name: 'booking' })
      .step({ name: 'reserve', action: (_em, { input }) => ({ of: input.orderId, seats: 2 }) })
      .step({
        name: 'charge',
        action: {
          call: charge,
          input: ({ results }) => ({ amountMinor: results.reserve.seats * 100 }),
          result: ({ paymentId }) => ({ paymentId }),
        },
        compensation: (_em, { results }) => void expectTypeOf(results.charge).toEqualTypeOf<{ paymentId: string }>(),
      })
      .step({
        name: 'ship',
        action: (_em, { results }) => {
          expectTypeOf(results.reserve).toEqualTypeOf<{ of: string; seats: number }>();
          expectTypeOf(results.charge.paymentId).toBeString();
          // @ts-expect-error -- no such step before this one
          return results.later;
        },
      });
    expect(saga.steps.map(({ name }) => name)).toEqual(['reserve', 'charge', 'ship']);
    expect(saga.version).toBe(1);
    expect(Object.isFrozen(saga) && Object.isFrozen(saga.steps)).toBe(true);
  });

  it('refuses an input its call does not take', () => {
    // @ts-expect-error -- an amount is a number
    defineSaga({ name: 's' }).step({ name: 'a', action: { call: charge, input: () => ({ amountMinor: 'much' }) } });
  });

  it('has another fingerprint for other steps, and the same for the same', () => {
    const base = (): AnySaga => defineSaga({ name: 's' }).step({ name: 'a', action: nothing });
    const others: AnySaga[] = [
      base().step({ name: 'b', action: nothing }),
      defineSaga({ name: 's' }).step({ name: 'b', action: nothing }),
      defineSaga({ name: 's' }).step({ name: 'a', action: nothing, compensation: nothing }),
      defineSaga({ name: 's' }).step({ name: 'a', action: { call: charge, input: () => ({ amountMinor: 1 }) } }),
    ];
    expect(base().fingerprint).toBe(base().fingerprint);
    expect(new Set([base(), ...others].map(({ fingerprint }) => fingerprint)).size).toBe(5);
  });

  it.each<[string, () => unknown]>([
    ['a name with a space', () => defineSaga({ name: 'my saga' })],
    ['version 0', () => defineSaga({ name: 's', version: 0 })],
    ['an unknown field', () => defineSaga({ name: 's', steps: [] } as never)],
    ['an input that is no schema', () => defineSaga({ name: 's', input: {} as never })],
    ['a step without a name', () => defineSaga({ name: 's' }).step({ action: nothing } as never)],
    ['a step name that is too long for the key', () => defineSaga({ name: 's' }).step({ name: 'x'.repeat(25), action: nothing })],
    ['a step name twice', () => defineSaga({ name: 's' }).step({ name: 'a', action: nothing }).step({ name: 'a', action: nothing })],
    ['a step without an action', () => defineSaga({ name: 's' }).step({ name: 'a' } as never)],
    ['a compensation that does nothing', () => defineSaga({ name: 's' }).step({ name: 'a', action: nothing, compensation: {} as never })],
    ['an unknown field of a step', () => defineSaga({ name: 's' }).step({ name: 'a', action: nothing, undo: nothing } as never)],
  ])('refuses %s', (_what, define) => {
    expect(define).toThrow(ConfigurationError);
  });

  it('refuses a retry figure out of range, naming it', () => {
    const withRetry = (retry: object) => () => defineSaga({ name: 's' }).step({ name: 'a', action: nothing, retry });
    expect(withRetry({ maxAttempts: 0 })).toThrow(/step "a": retry.maxAttempts .* it is 0/);
    expect(withRetry({ baseMs: 500, maxMs: 100 })).toThrow(/retry.maxMs must be at least/);
    expect(withRetry({ tries: 1 })).toThrow(/retry.tries is not an option/);
  });
});
