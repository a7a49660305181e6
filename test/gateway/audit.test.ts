import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import { systemClock } from '../../src/shared/clock.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { payment, payOrder } from './support/payment-call.ts';

const ids = { idempotencyKey: 'key-1', correlationId: 'c-1' };

describe('Gateway and its evidence', () => {
  let bank: MockBank;
  let store: InMemoryExternalCallStore;
  const gateways: Gateway[] = [];

  beforeEach(async () => {
    bank = await startMockBank();
    store = new InMemoryExternalCallStore();
  });

  afterEach(async () => {
    await Promise.all(gateways.splice(0).map((gateway) => gateway.close()));
    await bank.close();
  });

  const open = (options: Partial<GatewayOptions> = {}): Gateway => {
    const gateway = createGateway({ origins: { bank: bank.origin }, store, ...options });
    gateways.push(gateway);
    return gateway;
  };

  it('makes no call when the request record cannot be written', async () => {
    store.fault.open = () => Promise.reject(new Error('database down'));
    await expect(open().call(payOrder(), payment, ids)).rejects.toMatchObject({
      code: 'CB_AUDIT_UNAVAILABLE',
      acted: 'no',
      cause: { message: 'database down' },
    });
    expect(bank.requests).toHaveLength(0);
  });

  it('makes no call when the request record takes too long, and says so in the record once it is there', async () => {
    const slow = Promise.withResolvers<void>();
    store.fault.open = () => slow.promise;
    const gateway = open({ storeTimeoutMs: 50 });
    await expect(gateway.call(payOrder(), payment, ids)).rejects.toMatchObject({ code: 'CB_AUDIT_UNAVAILABLE' });

    store.fault = {};
    slow.resolve();
    // The late record is closed as never sent, so the next call is made and not told UNKNOWN.
    await new Promise(setImmediate);
    expect(await gateway.call(payOrder(), payment, ids)).toMatchObject({ status: 'SUCCESS' });
    expect(store.only().responses.get(1)).toMatchObject({ errorCode: 'CB_AUDIT_UNAVAILABLE', failedPhase: 'connect' });
    expect(bank.requests).toHaveLength(1);
  });

  it('sends nothing when it was stopped for longer than its lease while opening', async () => {
    let offset = 0;
    const clock = { ...systemClock, now: () => Date.now() + offset };
    store.fault.open = async () => void (offset = 60_000);
    await expect(open({ clock }).call(payOrder(), payment, ids)).rejects.toMatchObject({ code: 'CB_AUDIT_UNAVAILABLE' });
    expect(bank.requests).toHaveLength(0);
  });

  it('has committed the record before the bank sees the request', async () => {
    let recordedBefore: number | undefined;
    bank.follow(() => {
      recordedBefore = store.only().requests.length;
      return undefined;
    });
    await open().call(payOrder(), payment, ids);
    expect(recordedBefore).toBe(1);
  });

  it('tries again to close, and applies once', async () => {
    let failures = 2;
    store.fault.close = () => (failures-- > 0 ? Promise.reject(new Error('gone')) : Promise.resolve());
    let applied = 0;
    const outcome = await open().call(payOrder(), payment, { ...ids, apply: async () => void (applied += 1) });
    expect(outcome).toMatchObject({ status: 'SUCCESS', replayed: false });
    expect(applied).toBe(1);
  });

  it('is PENDING under its lease when the answer cannot be recorded, so that it is asked for again, and UNKNOWN after it; never a second call', async () => {
    let offset = 0;
    store = new InMemoryExternalCallStore(() => Date.now() + offset);
    store.fault.close = () => Promise.reject(new Error('gone'));
    const gateway = open({ closeTimeoutMs: 100, waitInFlightMs: 0 });
    expect(await gateway.call(payOrder(), payment, ids)).toMatchObject({
      status: 'PENDING',
      retryAfterMs: expect.any(Number),
      error: { code: 'CB_UNKNOWN_OUTCOME', acted: 'maybe' },
    });

    expect(await gateway.call(payOrder(), payment, ids)).toMatchObject({ status: 'PENDING', error: { code: 'CB_CALL_IN_FLIGHT' } });
    offset = 3_600_000;
    expect(await gateway.call(payOrder(), payment, ids)).toMatchObject({ status: 'UNKNOWN', replayed: true });
    expect(bank.requests).toHaveLength(1);
  });

  it('applies success and failure, and nothing else, and not again on replay', async () => {
    const applied: string[] = [];
    const gateway = open();
    bank.follow([{ kind: 'ok' }, { kind: 'reject' }, { kind: 'bad-gateway' }, { kind: 'unavailable', retryAfter: '1' }]);
    for (const idempotencyKey of ['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd']) {
      await gateway.call(payOrder(), payment, {
        ...ids,
        idempotencyKey,
        apply: async (_, { status, replayed }) => void applied.push(`${idempotencyKey} ${status} ${replayed}`),
      });
    }
    expect(applied).toEqual(['a SUCCESS false', 'b FAIL false']);
    expect(bank.requests).toHaveLength(4);
  });

  it('is UNKNOWN when apply throws', async () => {
    const outcome = await open().call(payOrder(), payment, { ...ids, apply: () => Promise.reject(new Error('no such order')) });
    expect(outcome).toMatchObject({ status: 'UNKNOWN', error: { code: 'CB_UNKNOWN_OUTCOME', cause: { message: 'no such order' } } });
    expect(store.only()).toMatchObject({ status: 'UNKNOWN' });
    expect(store.only().responses.get(1)).toMatchObject({ httpStatus: 201 });
  });

  it('lets a second caller of a key wait for the outcome of the first', async () => {
    bank.follow([{ kind: 'slow', delayMs: 150 }]);
    const gateway = open({ waitInFlightMs: 10_000 });
    const outcomes = await Promise.all([1, 2, 3].map(() => gateway.call(payOrder(), payment, ids)));
    expect(outcomes.map((outcome) => outcome.status === 'SUCCESS' && outcome.replayed).sort()).toEqual([false, true, true]);
    expect(bank.effects.get('key-1')).toBe(1);
  });

  it('tells a second caller PENDING when it may not wait that long', async () => {
    bank.follow([{ kind: 'slow', delayMs: 1_000 }]);
    const gateway = open({ waitInFlightMs: 0 });
    const first = gateway.call(payOrder(), payment, ids);
    await bank.seen(() => true);
    const second = await gateway.call(payOrder(), payment, ids);
    expect(second).toMatchObject({ status: 'PENDING', attempt: 1, error: { code: 'CB_CALL_IN_FLIGHT', retryable: true } });
    expect(second.status === 'PENDING' && second.retryAfterMs).toBeGreaterThan(0);
    expect(await first).toMatchObject({ status: 'SUCCESS' });
  });

  it('does not ask an institution again before its Retry-After', async () => {
    bank.follow([{ kind: 'unavailable', retryAfter: '60' }]);
    const gateway = open();
    await gateway.call(payOrder(), payment, ids);
    const again = await gateway.call(payOrder(), payment, ids);
    expect(again).toMatchObject({ status: 'PENDING', attempt: 1, error: { code: 'CB_CALL_UNAVAILABLE' } });
    expect(again.status === 'PENDING' && again.retryAfterMs).toBeGreaterThan(50_000);
    expect(bank.requests).toHaveLength(1);
  });

  it('is UNKNOWN when its caller gives up after the request was sent', async () => {
    bank.follow([{ kind: 'never-answer' }]);
    const giveUp = new AbortController();
    const calling = open().call(payOrder({ timeouts: { readMs: 30_000, totalMs: 30_000 } }), payment, { ...ids, signal: giveUp.signal });
    await bank.seen(() => true);
    giveUp.abort(new Error('shutting down'));
    expect(await calling).toMatchObject({ status: 'UNKNOWN', error: { code: 'CB_DEADLINE', phase: 'read' } });
  });

  it('writes nothing when its caller had given up before', async () => {
    await expect(open().call(payOrder(), payment, { ...ids, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CB_DEADLINE',
      acted: 'no',
    });
    expect(store.calls.size).toBe(0);
  });

  it('knows only the origins it was configured with', async () => {
    await expect(open().call(payOrder({ origin: 'evil' }), payment, ids)).rejects.toMatchObject({ code: 'CB_CONFIGURATION' });
    await expect(open().call(payOrder({ origin: '__proto__' }), payment, ids)).rejects.toMatchObject({ code: 'CB_CONFIGURATION' });
    expect(store.calls.size).toBe(0);
  });

  it('finishes what is in progress before it closes, and leaves no socket', async () => {
    bank.follow([{ kind: 'slow', delayMs: 100 }]);
    const gateway = open();
    const calling = gateway.call(payOrder(), payment, ids);
    await bank.seen(() => true);
    const closing = Promise.all([gateway.close(), gateway.close()]);
    await expect(gateway.call(payOrder(), payment, { ...ids, idempotencyKey: 'other' })).rejects.toMatchObject({ code: 'CB_CLOSED' });
    expect(await calling).toMatchObject({ status: 'SUCCESS' });
    await closing;
    await expect.poll(() => bank.connections).toBe(0);
  });

  it('measures its phases as the bank saw them', async () => {
    bank.follow([{ kind: 'slow', delayMs: 400 }]);
    await open().call(payOrder({ timeouts: { readMs: 5_000, totalMs: 10_000 } }), payment, ids);
    const { times } = store.only().responses.get(1)!;
    const { bodyAt = 0, answeredAt = 0 } = bank.requests[0]!;
    expect(times.headersMs! / (answeredAt - bodyAt)).toBeGreaterThan(0.8);
    expect(times.headersMs! / (answeredAt - bodyAt)).toBeLessThan(1.2);
    expect(times.connectMs + times.writeMs! + times.headersMs! + times.bodyMs!).toBeCloseTo(times.totalMs, 0);
  });
});
