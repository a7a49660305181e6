import { describe, expect, it } from 'vitest';
import { BrokerError, ClosedError, ConfigurationError, ReadTimeoutError } from '../../src/errors.ts';
import { startWorker } from '../../src/worker/worker.ts';
import { InMemoryConsumer } from '../support/in-memory-consumer.ts';
import { settled } from './support/manual-clock.ts';
import { success } from './support/scripted-gateway.ts';
import { harness, orderListener } from './support/worker-harness.ts';

const order = (n: number) => ({ orderId: `o-${n}` });

describe('Worker that closes', () => {
  it('receives no more at once and lets running handlers finish', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    for (let n = 0; n < 9; n += 1) consumer.send(order(n));
    const worker = start({ concurrency: 3 });
    await settled();
    const closing = worker.close(20_000);
    await clock.advance(10_000);
    gateway.letGo();
    expect(await closing).toEqual({ finished: 3, handedBack: 0, unsettled: 0 });
    expect(consumer.acked).toEqual(['m1', 'm2', 'm3']);
    expect(consumer.deliveries).toHaveLength(3);
    expect(clock.timers).toBe(0);
  });

  it('ends at once when it is idle, its long poll aborted', async () => {
    const { clock, consumer, lines, start } = harness();
    const worker = start();
    await settled();
    expect(consumer.receiving).toBe(1);
    expect(await worker.close()).toEqual({ finished: 0, handedBack: 0, unsettled: 0 });
    expect(consumer.receiving).toBe(0);
    expect(worker.stats().receiveErrors).toBe(0);
    expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it('renews the leases of handlers that are still finishing', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    consumer.send(order(1));
    const worker = start({ leaseMs: 10_000 });
    await settled();
    const closing = worker.close(60_000);
    await clock.advance(50_000);
    gateway.letGo();
    await closing;
    expect(consumer.deliveries).toHaveLength(1);
    expect(consumer.acked).toEqual(['m1']);
  });

  it('aborts what is not finished at the deadline and hands it back, without a burnt backoff or a dead letter', async () => {
    const { clock, consumer, gateway, lines, start } = harness();
    gateway.hold();
    consumer.send(order(1));
    consumer.send(order(2));
    const worker = start({ listener: orderListener({ retry: { maxDeliveries: 1 } }) });
    await settled();
    const closing = worker.close(5_000);
    await clock.advance(4_999);
    expect(gateway.running).toBe(2);
    await clock.advance(1);
    expect(await closing).toEqual({ finished: 0, handedBack: 2, unsettled: 0 });
    expect(gateway.calls[0]!.options.signal!.reason).toBeInstanceOf(ClosedError);
    expect(consumer.postponements.map(({ ms }) => ms)).toEqual([1_000, 1_000]);
    expect(worker.stats()).toMatchObject({ retried: 0, parked: 0, handedBack: 2, inFlight: 0 });
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it('hands messages back to the others of its group: nothing is lost', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    for (let n = 0; n < 5; n += 1) consumer.send(order(n));
    const first = start();
    await settled();
    const closing = first.close(1_000);
    await clock.advance(1_000);
    await closing;
    gateway.answer = () => success();
    const second = start();
    await clock.advance(1_000);
    expect(consumer.backlog).toBe(0);
    expect(consumer.acked).toHaveLength(5);
    await second.close();
  });

  it('acknowledges a call that its abort has brought to a known end, UNKNOWN included', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.answer = (_input, { signal }) =>
      new Promise((resolve) => {
        const error = new ReadTimeoutError('aborted while reading');
        signal!.addEventListener('abort', () => resolve({ status: 'UNKNOWN', error, replayed: false }));
      });
    consumer.send(order(1));
    const worker = start();
    await settled();
    const closing = worker.close(1_000);
    await clock.advance(1_000);
    expect(await closing).toEqual({ finished: 1, handedBack: 0, unsettled: 0 });
    expect(consumer.acked).toEqual(['m1']);
  });

  it('hands back the messages of handlers that ignore their abort', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hang();
    consumer.send(order(1));
    const worker = start();
    await settled();
    const closing = worker.close(5_000);
    await clock.advance(6_000);
    expect(await closing).toEqual({ finished: 0, handedBack: 1, unsettled: 0 });
    expect(consumer.postponements.map(({ ms }) => ms)).toEqual([1_000]);
    expect(clock.timers).toBe(0);
  });

  it('does not wait for a broker that answers nothing: two seconds after the deadline it is over', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hang();
    consumer.send(order(1));
    const receive = consumer.receive.bind(consumer);
    consumer.receive = async (...args) => {
      const batch = await receive(...args);
      return batch.map(({ message }) => ({
        message,
        ack: () => new Promise(() => {}),
        changeInvisibleDuration: () => new Promise(() => {}),
      }));
    };
    const worker = start();
    await settled();
    const closing = worker.close(5_000);
    await clock.advance(7_000);
    expect(await closing).toEqual({ finished: 0, handedBack: 0, unsettled: 1 });
    expect(clock.timers).toBe(0);
  });

  it('counts what it cannot hand back as unsettled', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    consumer.send(order(1));
    const worker = start();
    await settled();
    consumer.fail.change = new BrokerError('down', { retryable: true });
    const closing = worker.close(1_000);
    await clock.advance(1_000);
    expect(await closing).toEqual({ finished: 0, handedBack: 0, unsettled: 1 });
  });

  it('hands back what a receive brings although it was stopped', async () => {
    const { clock, consumer, gateway, start } = harness();
    const receive = consumer.receive.bind(consumer);
    consumer.receive = (max, invisibleMs) => receive(max, invisibleMs);
    const worker = start();
    await settled();
    const closing = worker.close(5_000);
    consumer.send(order(1));
    await clock.advance(0);
    expect(await closing).toEqual({ finished: 0, handedBack: 1, unsettled: 0 });
    expect(gateway.calls).toEqual([]);
  });

  it('closes once, however often it is told', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    consumer.send(order(1));
    const worker = start();
    await settled();
    const closing = worker.close(5_000);
    expect(worker.close(0)).toBe(closing);
    await clock.advance(4_000);
    gateway.letGo();
    expect(await closing).toMatchObject({ finished: 1 });
    expect(worker.close()).toBe(closing);
  });
});

describe('Worker', () => {
  it('feeds each listener from its own consumer, and counts them apart and together', async () => {
    const { clock, consumer, gateway, start } = harness();
    const shipments = new InMemoryConsumer({ clock, topic: 'shipments', group: 'shipping' });
    const ship = orderListener({ name: 'ship', topic: 'shipments', group: 'shipping', concurrency: 1 });
    const worker = start({
      consumers: [
        { listener: orderListener(), consumer },
        { listener: ship, consumer: shipments },
      ],
    });
    consumer.send(order(1));
    consumer.send(order(2));
    shipments.send(order(3));
    await settled();
    expect(gateway.calls).toHaveLength(3);
    expect(worker.stats()).toMatchObject({ received: 3, acked: 3, listeners: { 'charge-payment': { acked: 2 }, ship: { acked: 1 } } });
    await worker.close();
  });

  it('lets a listener whose broker is down not hold up the others', async () => {
    const { clock, consumer, start } = harness();
    const down = new InMemoryConsumer({ clock, topic: 'shipments', group: 'shipping' });
    down.fail.receive = new Error('down');
    const ship = orderListener({ name: 'ship', topic: 'shipments', group: 'shipping' });
    const worker = start({
      consumers: [
        { listener: ship, consumer: down },
        { listener: orderListener(), consumer },
      ],
    });
    consumer.send(order(1));
    await clock.advance(10_000);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('shares the load with the other workers of its group: each message is worked by one', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.answer = async () => {
      await clock.sleep(1_000);
      return success();
    };
    for (let n = 0; n < 40; n += 1) consumer.send(order(n));
    const workers = [start({ concurrency: 4 }), start({ concurrency: 4 })];
    await clock.advance(10_000);
    expect(workers.map((worker) => worker.stats().acked)).toEqual([20, 20]);
    expect(gateway.calls).toHaveLength(40);
    await Promise.all(workers.map((worker) => worker.close()));
  });

  it('gives snapshots: later counting does not change them', async () => {
    const { consumer, start } = harness();
    const worker = start();
    const before = worker.stats();
    consumer.send(order(1));
    await settled();
    expect(before).toMatchObject({ acked: 0, listeners: { 'charge-payment': { acked: 0 } } });
    expect(worker.stats().acked).toBe(1);
    await worker.close();
  });

  it.each([
    [{ concurrency: 0 }, 'concurrency must be a whole number from 1 to 10000, it is 0'],
    [{ leaseMs: 500 }, 'leaseMs must be a whole number from 1000 to 43200000, it is 500'],
    [{ drainMs: -1 }, 'drainMs must be a whole number from 0 to 43200000, it is -1'],
    [{ parkMs: Number.NaN }, 'parkMs must be a whole number from 1000 to 43200000, it is NaN'],
  ])('refuses a wrong figure before it receives anything: %j', (limits, fault) => {
    const { consumer, start } = harness();
    expect(() => start(limits)).toThrow(new RangeError(fault));
    expect(consumer.receives).toEqual([]);
  });

  it('refuses listeners without a consumer of their own, by name', () => {
    const { clock, consumer, gateway } = harness();
    const listener = orderListener();
    const other = new InMemoryConsumer({ clock, topic: 'orders', group: 'other' });
    const start = (...consumers: Parameters<typeof startWorker>[0]['consumers'][]) =>
      startWorker({ consumers: consumers.flatMap((c) => [...c]), gateway });
    expect(() => start([])).toThrow(new ConfigurationError('a worker needs at least one message listener'));
    expect(() => start([{ listener, consumer: other }])).toThrow(
      new ConfigurationError(
        'message listener charge-payment: it needs topic orders, group payments; its consumer has topic orders, group other',
      ),
    );
    expect(() =>
      start([
        { listener, consumer },
        { listener: orderListener({ name: 'second' }), consumer },
      ]),
    ).toThrow(new ConfigurationError('message listeners charge-payment and second share topic orders, group payments'));
    expect(() =>
      start([
        { listener, consumer },
        { listener, consumer },
      ]),
    ).toThrow('the name is used twice');
  });
});
