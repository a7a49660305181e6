import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyTurns } from '../../src/worker/key-turns.ts';
import { defineMessageListener } from '../../src/worker/message-listener.ts';
import { settled } from './support/manual-clock.ts';
import { harness, orderListener } from './support/worker-harness.ts';

const never = new AbortController().signal;

describe('Turns by key', () => {
  it('gives one at a time the turn of a key, in the order of coming, and other keys theirs', async () => {
    const turns = new KeyTurns(9);
    const had: string[] = [];
    const take = (name: string, key: string) => turns.take(key, never).then((end) => (had.push(name), end!));
    const [first, second, third, other] = [take('a1', 'a'), take('a2', 'a'), take('a3', 'a'), take('b1', 'b')];
    await settled();
    expect(had).toEqual(['a1', 'b1']);
    (await first)();
    await settled();
    expect(had).toEqual(['a1', 'b1', 'a2']);
    (await second)();
    (await third)();
    (await other)();
    expect(had).toEqual(['a1', 'b1', 'a2', 'a3']);
    expect(turns.size).toBe(0);
  });

  it('lets no more wait than it was told, over all keys', async () => {
    const turns = new KeyTurns(2);
    const end = await turns.take('a', never);
    void turns.take('a', never);
    void turns.take('a', never);
    expect(await turns.take('a', never)).toBeUndefined();
    expect(await turns.take('b', never)).toBeDefined();
    end!();
    await settled();
    void turns.take('b', never);
    expect(await turns.take('b', never)).toBeUndefined();
  });

  it('lets go of whoever stops waiting, and the next ones have their turn', async () => {
    const turns = new KeyTurns(9);
    const end = await turns.take('a', never);
    const abort = new AbortController();
    const given = turns.take('a', abort.signal);
    const next = turns.take('a', never);
    abort.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    end!();
    (await next)!();
    expect(turns.size).toBe(0);
    await expect(turns.take('a', abort.signal)).rejects.toThrow('enough');
  });
});

describe('Listener with serialiseBy', () => {
  it('works one message of a key at a time, whatever comes, and all of them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 3 }), { maxLength: 30 }), fc.integer({ min: 1, max: 8 }), async (keys, concurrency) => {
        const { clock, consumer, start } = harness({ maxDeliveries: 1_000 });
        const busy = new Map<string, number>();
        let most = 0;
        const listener = defineMessageListener<{ orderId: string }>({
          name: 'charge-payment',
          topic: 'orders',
          group: 'payments',
          serialiseBy: ({ payload }) => payload.orderId,
          process: async ({ payload: { orderId } }) => {
            busy.set(orderId, (busy.get(orderId) ?? 0) + 1);
            most = Math.max(most, busy.get(orderId)!);
            await clock.sleep(700);
            busy.set(orderId, busy.get(orderId)! - 1);
          },
        });
        for (const key of keys) consumer.send({ orderId: `o-${key}` });
        const worker = start({ consumers: [{ listener, consumer }], concurrency });
        await clock.advance(900_000);
        expect(consumer.backlog).toBe(0);
        expect(most).toBeLessThanOrEqual(1);
        expect(worker.stats().deadLettered).toBe(0);
        await worker.close();
        expect(clock.timers).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  it('lets at most half of the places wait for a key; others of the key come later, other keys now', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    for (let n = 0; n < 6; n += 1) consumer.send({ orderId: 'busy' });
    consumer.send({ orderId: 'other' });
    const worker = start({ concurrency: 4, listener: orderListener({ serialiseBy: ({ payload }) => payload.orderId }) });
    await clock.advance(400);
    expect(gateway.calls.map(({ options }) => options.idempotencyKey)).toEqual(['busy', 'other']);
    expect(worker.stats().retried).toBeGreaterThan(0);
    expect(worker.stats().inFlight).toBe(4);
    await worker.close(0);
  });

  it('hands those that wait back when the worker closes', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    for (let n = 0; n < 3; n += 1) consumer.send({ orderId: 'busy' });
    const worker = start({ listener: orderListener({ serialiseBy: ({ payload }) => payload.orderId }) });
    await settled();
    const closing = worker.close(5_000);
    await settled();
    expect(worker.stats().handedBack).toBe(2);
    gateway.letGo();
    await clock.advance(0);
    expect(await closing).toEqual({ finished: 1, handedBack: 2, unsettled: 0 });
  });
});
