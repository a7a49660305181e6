import { afterEach, describe, expect, it } from 'vitest';
import { deadLetterSink } from '../../src/dead-letter/dead-letter-sink.ts';
import { type DeadLetterDiagnostics, onDeadLetterEvent } from '../../src/dead-letter/diagnostics.ts';
import { drainBrokerDeadLetters } from '../../src/dead-letter/drain-broker-dead-letters.ts';
import { ConfigurationError, ConnectError, InvalidMessageError } from '../../src/errors.ts';
import { InMemoryConsumer } from '../support/in-memory-consumer.ts';
import { ManualClock, settled } from '../worker/support/manual-clock.ts';
import { InMemoryDeadLetterStore } from './support/in-memory-dead-letter-store.ts';
import { charge, knowing, received } from './support/messages.ts';

const kept: DeadLetterDiagnostics['kept'][] = [];
const stop = onDeadLetterEvent('kept', (event) => kept.push(event));
afterEach(() => kept.splice(0));

describe('deadLetterSink', () => {
  it('keeps the message whole, with its reason, its errors and the call it leads to', async () => {
    const store = new InMemoryDeadLetterStore();
    const sink = deadLetterSink(store, { listeners: [charge()], callOf: knowing(charge()) });
    await sink(received(), 'given up after 16 deliveries: ConnectError: refused', new ConnectError('refused'));
    const { letter, body } = store.only();
    expect(letter).toMatchObject({
      topic: 'orders',
      group: 'payments',
      listener: 'charge',
      callName: 'charge-payment',
      idempotencyKey: 'order-1',
      tag: 'placed',
      keys: ['order-1'],
      properties: received().properties,
      reason: 'RETRIES_EXHAUSTED',
      reasonText: 'given up after 16 deliveries: ConnectError: refused',
      errorChain: [{ name: 'ConnectError', code: 'CB_CONNECT', message: 'refused' }],
      deliveryAttempts: 16,
    });
    expect(Buffer.from(body).toString()).toBe('{"orderId":"order-1"}');
    expect(kept).toEqual([
      { id: 1, topic: 'orders', group: 'payments', listener: 'charge', messageId: 'm1', reason: 'RETRIES_EXHAUSTED', isNew: true },
    ]);
  });

  it('keeps what cannot be understood as POISON, without a key', async () => {
    const store = new InMemoryDeadLetterStore();
    const sink = deadLetterSink(store, { listeners: [charge()], callOf: knowing(charge()) });
    await sink(
      received({ body: Buffer.from('{') }),
      'InvalidMessageError: body of 1 characters is not JSON',
      new InvalidMessageError('no'),
    );
    expect(store.only().letter).toMatchObject({ reason: 'POISON', listener: 'charge', idempotencyKey: undefined });
  });

  it('keeps the same message once, however often it dies', async () => {
    const store = new InMemoryDeadLetterStore();
    const sink = deadLetterSink(store, { listeners: [charge()] });
    await sink(received(), 'dead', new Error('x'));
    await sink(received({ messageId: 'another' }), 'dead', new Error('x'));
    expect(store.only().letter.deaths).toBe(2);
    expect(kept.map(({ isNew }) => isNew)).toEqual([true, false]);
  });

  it('names the listener it is told, where several might have been it', async () => {
    const store = new InMemoryDeadLetterStore();
    const other = { ...charge(), name: 'other', group: 'others' };
    await deadLetterSink(store, { listeners: [charge(), other] })(received(), 'dead', new Error('x'), other);
    expect(store.only().letter).toMatchObject({ listener: 'other', group: 'others' });
  });

  it('names no listener where several might have been it and it is not told', async () => {
    const store = new InMemoryDeadLetterStore();
    const other = { ...charge(), name: 'other', group: 'others' };
    await deadLetterSink(store, { listeners: [charge(), other] })(received(), 'dead', new Error('x'));
    expect(store.only().letter).toMatchObject({ listener: undefined, group: '' });
  });

  it('rejects when the store does, so that the broker keeps the message', async () => {
    const store = new InMemoryDeadLetterStore();
    store.refusal = new Error('no database');
    await expect(deadLetterSink(store, { listeners: [charge()] })(received(), 'dead', new Error('x'))).rejects.toThrow('no database');
  });
});

describe('drainBrokerDeadLetters', () => {
  const scene = () => {
    const clock = new ManualClock();
    const consumer = new InMemoryConsumer({ clock, topic: '%DLQ%payments', group: 'payments-dlq-drain', maxDeliveries: 1_000 });
    const store = new InMemoryDeadLetterStore();
    const starts: { topic: string; group: string; at: number }[] = [];
    const stop = new AbortController();
    let exists = true;
    const broker = {
      startConsumer: async ({ topic, group }: { topic: string; group: string }) => {
        starts.push({ topic, group, at: clock.now() });
        if (!exists) throw new ConfigurationError(`topic "${topic}" does not exist`);
        return consumer;
      },
    };
    const run = (more = {}) => drainBrokerDeadLetters({ broker, store, group: 'payments', clock, ...more }, stop.signal);
    return { clock, consumer, store, starts, stop, run, setExists: (value: boolean) => (exists = value) };
  };

  it('keeps, then acknowledges, what the broker gave up', async () => {
    const { clock, consumer, run, stop, store } = scene();
    consumer.send({ orderId: 'order-1' }, { tag: 'placed' });
    const running = run({ callOf: knowing(charge()) });
    await clock.advance(0);
    expect(store.only().letter).toMatchObject({
      topic: '%DLQ%payments',
      group: 'payments',
      reason: 'BROKER_LIMIT',
      listener: 'charge',
      idempotencyKey: 'order-1',
    });
    expect(consumer.acked).toEqual(['m1']);
    stop.abort();
    await running;
  });

  it('knows the topic where the group has only one', async () => {
    const { clock, consumer, run, stop, store } = scene();
    consumer.send({ orderId: 'order-1' });
    const running = run({ topic: 'orders' });
    await clock.advance(0);
    expect(store.only().letter.topic).toBe('orders');
    stop.abort();
    await running;
  });

  it('acknowledges nothing it could not keep; it comes again', async () => {
    const { clock, consumer, run, stop, store } = scene();
    store.refusal = new Error('no database');
    consumer.send({ orderId: 'order-1' });
    const running = run();
    await clock.advance(0);
    expect(consumer.acked).toEqual([]);
    store.refusal = undefined;
    await clock.advance(40_000);
    expect(consumer.acked).toEqual(['m1']);
    stop.abort();
    await running;
  });

  it('waits for a queue that does not exist yet, ever longer, and reads it once it does', async () => {
    const { clock, consumer, run, setExists, starts, stop, store } = scene();
    setExists(false);
    consumer.send({ orderId: 'order-1' });
    const running = run();
    const begin = clock.now();
    await clock.advance(200_000);
    expect(starts.map(({ at }) => (at - begin) / 1000)).toEqual([0, 5, 15, 35, 75, 135, 195]);
    expect(starts[0]).toMatchObject({ topic: '%DLQ%payments', group: 'payments-dlq-drain' });
    setExists(true);
    await clock.advance(60_000);
    expect(store.only().letter.messageId).toBe('m1');
    stop.abort();
    await running;
  });

  it('outlives a broker that fails while it reads', async () => {
    const { clock, consumer, run, starts, stop, store } = scene();
    consumer.fail.receive = new Error('gone');
    const running = run();
    await clock.advance(20_000);
    expect(starts.length).toBeGreaterThan(1);
    delete consumer.fail.receive;
    consumer.send({ orderId: 'order-1' });
    await clock.advance(60_000);
    expect(store.only().letter.messageId).toBe('m1');
    stop.abort();
    await running;
  });

  it('ends when told, while it waits as while it reads', async () => {
    const { clock, run, setExists, stop } = scene();
    setExists(false);
    const running = run();
    await settled();
    stop.abort();
    await running;
    expect(clock.timers).toBe(0);
  });
});

describe('A listener on dead-letter events', () => {
  it('hears nothing after it stopped', async () => {
    stop();
    await deadLetterSink(new InMemoryDeadLetterStore(), { listeners: [] })(received(), 'dead', new Error('x'));
    expect(kept).toEqual([]);
  });
});
