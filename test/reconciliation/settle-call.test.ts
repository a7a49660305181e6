import { describe, expect, it } from 'vitest';
import { chargePayment, orderPayments } from '../../listeners/index.ts';
import { ManualClock } from '../../src/embedded/manual-clock.ts';
import { inLanes } from '../../src/reconciliation/in-lanes.ts';
import type { CallStanding } from '../../src/reconciliation/open-call-store.ts';
import { settleCall, type SettleContext } from '../../src/reconciliation/settle-call.ts';
import type { NewStatusCheck } from '../../src/status-check/status-check-store.ts';
import { encodeHalfMessage } from '../../src/transaction/half-message.ts';
import { decodeMessage } from '../../src/worker/decode-message.ts';

const item = { id: 1, callName: 'charge-payment', idempotencyKey: 'o-1' };
const signal = new AbortController().signal;
const DUE = { listener: 'charge-payment', state: 'DUE', isDue: true, leaseMs: 0 } as const;
const order = { id: 'o-1', transactionId: 't-1', customerId: 'c-1', amountMinor: 4_200n, currency: 'EUR' };

/** One call; `answers` is what the bank's answer makes of it. */
const harness = (begin: Partial<CallStanding>, { row = order, isOurs = true }: { row?: object | null; isOurs?: boolean } = {}) => {
  const clock = new ManualClock();
  let standing: CallStanding = {
    callName: item.callName,
    idempotencyKey: item.idempotencyKey,
    correlationId: 'c-1',
    status: 'UNKNOWN',
    attemptLeaseMs: 0,
    isAbandoned: false,
    openForMs: 400_000,
    isOfSaga: false,
    check: undefined,
    ...begin,
  };
  const did: string[] = [];
  const verdicts: [string, string | undefined][] = [];
  const scheduled: NewStatusCheck[] = [];
  const change = (changes: Partial<CallStanding>): void => {
    standing = { ...standing, ...changes };
  };
  const context: SettleContext = {
    listeners: [chargePayment],
    sources: [orderPayments],
    runs: { decide: async (_item, verdict, why) => void verdicts.push([verdict, why]) },
    calls: { look: async () => new Map([[1, standing]]) },
    checks: {
      schedule: async (check) => {
        scheduled.push(check);
        change({ check: { ...DUE, isDue: check.afterMs === 0 } });
        return true;
      },
      claimOne: async (_key, { earlyMs }) => {
        did.push(`claim ${earlyMs}`);
        if (isOurs) return {} as never;
        change({ status: 'SUCCESS' });
        return undefined;
      },
    },
    check: async () => {
      did.push('ask');
      change({ status: 'SUCCESS' });
    },
    readRow: async () => row,
    parts: { encodeHalfMessage, decodeMessage, owner: 'shop' },
    turn: async () => void did.push('turn'),
    clock,
    leaseMs: 60_000,
  };
  const settle = (isPatient = false) => settleCall(item, undefined, context, { isPatient, signal });
  return { clock, context, did, verdicts, scheduled, settle, change };
};

describe('settleCall', () => {
  it('takes its turn, claims what is due and not a moment earlier, asks, and writes down what became of it', async () => {
    const { did, settle, verdicts } = harness({ check: DUE });
    expect(await settle()).toBe('SUCCESS');
    expect(did).toEqual(['turn', 'claim 0', 'ask']);
    expect(verdicts).toEqual([['SUCCESS', undefined]]);
  });

  it('asks nothing that somebody else has asked meanwhile', async () => {
    const { did, settle } = harness({ check: DUE }, { isOurs: false });
    expect(await settle()).toBe('SUCCESS');
    expect(did).toEqual(['turn', 'claim 0']);
  });

  it('keeps the message it finds in the rows, due as long after as the call says, less what has gone by', async () => {
    const late = harness({});
    expect(await late.settle()).toBe('SUCCESS');
    expect(late.scheduled).toMatchObject([{ idempotencyKey: 'o-1', listener: 'charge-payment', correlationId: 'c-1', afterMs: 0 }]);
    expect(late.scheduled[0]!.message).toMatchObject({ topic: 'orders', tag: 'placed', keys: ['o-1'], deliveryAttempt: 1 });
    const early = harness({ openForMs: 100_000 });
    expect(await early.settle()).toBe('WAITING');
    expect(early.scheduled).toMatchObject([{ afterMs: 200_000 }]);
    expect(early.did).toEqual([]);
  });

  it.each([
    ['there is no row', null, /finds no row/],
    ['it is the row of another key', { ...order, id: 'o-2' }, /row of another key/],
    ['no message comes of it', { ...order, id: 'o 1' }, /white space/],
  ])('guesses nothing when %s', async (_when, row, why) => {
    const { did, scheduled, settle, verdicts } = harness({}, { row });
    expect(await settle()).toBe('NO_MESSAGE');
    expect(verdicts[0]![1]).toMatch(why);
    expect([...did, ...scheduled]).toEqual([]);
  });

  it('is not patient at first, and later waits for whoever works on the call', async () => {
    const { change, clock, settle } = harness({ check: { ...DUE, leaseMs: 5_000 } });
    expect(await settle()).toBe('BUSY');
    const settling = settle(true);
    await clock.advance(5_000);
    expect(clock.sleepers).toBe(1);
    change({ status: 'FAIL' });
    await clock.advance(1);
    expect(await settling).toBe('FAIL');
  });

  it('gives up on a call that others take again and again', async () => {
    const { clock, settle } = harness({ check: { ...DUE, leaseMs: 1_000 } });
    const settling = settle(true);
    await clock.advance(60_000);
    expect(await settling).toBe('BUSY');
  });

  it('has no verdict when it is stopped, nor when the database fails', async () => {
    const stopped = harness({ check: DUE });
    const aborted = AbortSignal.abort(new Error('stopped'));
    await expect(settleCall(item, undefined, stopped.context, { isPatient: false, signal: aborted })).rejects.toThrow('stopped');
    expect(stopped.verdicts).toEqual([]);
    const broken = harness({ check: DUE });
    const context: SettleContext = { ...broken.context, check: () => Promise.reject(new Error('away')) };
    await expect(settleCall(item, undefined, context, { isPatient: false, signal })).rejects.toThrow('away');
    expect(broken.verdicts).toEqual([]);
  });
});

describe('inLanes', () => {
  it('works so many at once, and all of them', async () => {
    let running = 0;
    let most = 0;
    const done: number[] = [];
    await inLanes([1, 2, 3, 4, 5], 2, async (n) => {
      most = Math.max(most, (running += 1));
      await Promise.resolve();
      running -= 1;
      done.push(n);
    });
    expect({ most, done: done.sort() }).toEqual({ most: 2, done: [1, 2, 3, 4, 5] });
  });

  it('begins nothing after a failure, and lets what runs end', async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const work = async (n: number): Promise<void> => {
      begun.push(n);
      await Promise.resolve();
      if (n === 1) throw new Error('first');
      await Promise.resolve();
      ended.push(n);
    };
    await expect(inLanes([1, 2, 3, 4], 2, work)).rejects.toThrow('first');
    expect({ begun, ended }).toEqual({ begun: [1, 2], ended: [2] });
  });
});
