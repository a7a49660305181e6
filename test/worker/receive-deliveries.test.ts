import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BrokerError } from '../../src/errors.ts';
import { settled } from './support/manual-clock.ts';
import { harness, orderListener } from './support/worker-harness.ts';

const order = (n: number) => ({ orderId: `o-${n}` });

describe('Back pressure', () => {
  it('works no more deliveries at once than the concurrency, and leaves the rest with the broker', async () => {
    const { consumer, gateway, start } = harness();
    gateway.hold();
    for (let n = 0; n < 20; n += 1) consumer.send(order(n));
    const worker = start({ concurrency: 3 });
    await settled();
    expect(gateway.running).toBe(3);
    expect(consumer.deliveries).toHaveLength(3);
    expect(worker.stats()).toMatchObject({ received: 3, inFlight: 3 });
    gateway.letGo(1);
    await settled();
    expect(gateway.running).toBe(3);
    expect(consumer.deliveries).toHaveLength(4);
    await worker.close(0);
  });

  it('asks for the free places and never for more than 32', async () => {
    const { consumer, gateway, start } = harness();
    gateway.hold();
    for (let n = 0; n < 100; n += 1) consumer.send(order(n));
    const worker = start({ concurrency: 50 });
    await settled();
    expect(consumer.receives.map(({ max }) => max)).toEqual([32, 18]);
    await worker.close(0);
  });

  it('asks again at once when a quarter of the places is free, and for fewer of them after 20 ms', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    for (let n = 0; n < 100; n += 1) consumer.send(order(n));
    const worker = start({ concurrency: 16 });
    await settled();
    gateway.letGo(3);
    await settled();
    expect(consumer.receives.map(({ max }) => max)).toEqual([16]);
    gateway.letGo(1);
    await settled();
    expect(consumer.receives.map(({ max }) => max)).toEqual([16, 4]);
    gateway.letGo(1);
    await clock.advance(19);
    expect(consumer.receives).toHaveLength(2);
    await clock.advance(1);
    expect(consumer.receives.map(({ max }) => max)).toEqual([16, 4, 1]);
    await worker.close(0);
    expect(clock.timers).toBe(0);
  });

  it('receives nothing while every place is taken, however long that lasts', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    consumer.send(order(1));
    consumer.send(order(2));
    const worker = start({ concurrency: 1 });
    await clock.advance(120_000);
    expect(consumer.receives).toHaveLength(1);
    await worker.close(0);
  });

  it('has one receive in flight, whatever the concurrency and the load', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.array(fc.nat({ max: 4 }), { maxLength: 12 }), async (concurrency, bursts) => {
        const { clock, consumer, gateway, start } = harness();
        gateway.answer = async (_input, _options, nth) => {
          await clock.sleep((nth % 7) * 400);
          return { status: 'SUCCESS', response: {}, httpStatus: 200, replayed: false };
        };
        const worker = start({ concurrency });
        let n = 0;
        for (const burst of bursts) {
          for (let sent = 0; sent < burst * 9; sent += 1) consumer.send(order((n += 1)));
          await clock.advance(900);
        }
        await clock.advance(400_000);
        expect(consumer.mostReceiving).toBe(1);
        expect(gateway.mostRunning).toBeLessThanOrEqual(concurrency);
        expect([...consumer.acked].sort()).toEqual(Array.from({ length: n }, (_, i) => `m${i + 1}`).sort());
        await worker.close();
        expect(clock.timers).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  it('takes the listener’s concurrency before the worker’s', async () => {
    const { consumer, gateway, start } = harness();
    gateway.hold();
    for (let n = 0; n < 9; n += 1) consumer.send(order(n));
    const worker = start({ concurrency: 3, listener: orderListener({ concurrency: 5 }) });
    await settled();
    expect(gateway.running).toBe(5);
    await worker.close(0);
  });

  it('keeps the bound when a consumer brings more than it was asked for', async () => {
    const { consumer, gateway, start } = harness();
    gateway.hold();
    for (let n = 0; n < 9; n += 1) consumer.send(order(n));
    const receive = consumer.receive.bind(consumer);
    consumer.receive = (_max, ...rest) => receive(9, ...rest);
    const worker = start({ concurrency: 2 });
    await settled();
    expect(gateway.running).toBe(2);
    await worker.close(0);
  });
});

describe('Receive that fails', () => {
  it('is repeated after a jittered backoff from 1 s doubling to 30 s, and logged', async () => {
    const { clock, consumer, lines, start } = harness();
    consumer.fail.receive = new BrokerError('proxy is down', { retryable: true });
    const worker = start({ random: () => 0.999_999_999 });
    await clock.advance(125_000);
    const gaps = consumer.receives.slice(1).map(({ at }, i) => Math.round((at - consumer.receives[i]!.at) / 100) / 10);
    expect(gaps).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(9);
    expect(worker.stats().receiveErrors).toBe(9);
    await worker.close();
  });

  it('is never repeated at once, whatever the jitter', async () => {
    const { clock, consumer, start } = harness();
    consumer.fail.receive = new BrokerError('proxy is down', { retryable: true });
    const worker = start({ random: () => 0 });
    await clock.advance(3_499);
    expect(consumer.receives).toHaveLength(3);
    await worker.close();
  });

  it('leaves the worker alive: the backlog drains once the broker is back, and the next backoff starts anew', async () => {
    const { clock, consumer, start } = harness();
    consumer.fail.receive = new BrokerError('proxy is down', { retryable: false });
    const worker = start({ random: () => 0 });
    await clock.advance(600_000);
    consumer.send(order(1));
    delete consumer.fail.receive;
    await clock.advance(15_000);
    expect(consumer.acked).toEqual(['m1']);
    const succeeded = consumer.receives.length;
    consumer.fail.receive = new Error('again');
    await clock.advance(7_000);
    const [first, second] = consumer.receives.slice(succeeded);
    expect(second!.at - first!.at).toBe(500);
    await worker.close();
  });

  it('does not hold up a worker that closes', async () => {
    const { clock, consumer, start } = harness();
    consumer.fail.receive = new Error('down');
    const worker = start();
    await clock.advance(60_000);
    expect(await worker.close()).toEqual({ finished: 0, handedBack: 0, unsettled: 0 });
    expect(clock.timers).toBe(0);
  });
});
