import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { AuditUnavailableError, BrokerError, CallUnavailableError, InvalidMessageError, UnknownOutcomeError } from '../../src/errors.ts';
import { settled } from './support/manual-clock.ts';
import { success } from './support/scripted-gateway.ts';
import { harness, orderListener } from './support/worker-harness.ts';

const POISON: [string, unknown][] = [
  ['malformed JSON', new TextEncoder().encode('{"orderId":')],
  ['a wrong encoding', Uint8Array.of(0xff, 0xfe)],
  ['nesting 10,000 deep', new TextEncoder().encode('['.repeat(10_000) + ']'.repeat(10_000))],
  ['a __proto__ key', new TextEncoder().encode('{"orderId":"o","__proto__":{}}')],
  ['no idempotency key', { orderId: '' }],
];

describe('Delivery', () => {
  it('becomes one call, with its input, key, correlation id and an apply that runs the listener’s hook', async () => {
    const { consumer, gateway, start } = harness();
    const onSuccess = vi.fn(async () => {});
    consumer.send({ orderId: 'o-1' }, { properties: { 'checkback-correlation-id': 'c-1' } });
    const worker = start({ listener: orderListener({ onSuccess }) });
    await settled();
    expect(gateway.calls).toHaveLength(1);
    const { input, options } = gateway.calls[0]!;
    expect(input).toEqual({ orderId: 'o-1' });
    expect(options).toMatchObject({ idempotencyKey: 'o-1', correlationId: 'c-1' });
    const em = {} as never;
    await options.apply!(em, success('receipt'));
    expect(onSuccess).toHaveBeenCalledExactlyOnceWith(em, {
      message: expect.objectContaining({ payload: { orderId: 'o-1' }, correlationId: 'c-1' }),
      response: 'receipt',
    });
    expect(consumer.acked).toEqual(['m1']);
    expect(worker.stats()).toMatchObject({ received: 1, acked: 1, retried: 0, inFlight: 0 });
    await worker.close();
  });

  it('whose outcome is UNKNOWN is acknowledged and called once', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.answer = () => ({ status: 'UNKNOWN', error: new UnknownOutcomeError('502'), replayed: false });
    consumer.send({ orderId: 'o-1' });
    const worker = start();
    await clock.advance(3_600_000);
    expect(gateway.calls).toHaveLength(1);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('whose call stays PENDING comes again after the backoff, not before Retry-After', async () => {
    const { clock, consumer, gateway, start } = harness();
    const error = new CallUnavailableError('429');
    gateway.answer = (_input, _options, nth) => (nth === 1 ? { status: 'PENDING', error, retryAfterMs: 40_000, attempt: 1 } : success());
    consumer.send({ orderId: 'o-1' });
    const worker = start();
    await clock.advance(40_499);
    expect(gateway.calls).toHaveLength(1);
    await clock.advance(1);
    expect(gateway.calls).toHaveLength(2);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('of another tag is acknowledged unread', async () => {
    const { consumer, gateway, start } = harness();
    consumer.send({ orderId: 'o-1' }, { tag: 'cancelled' });
    consumer.send({ orderId: 'o-2' }, { tag: 'placed' });
    const worker = start({ listener: orderListener({ tag: 'placed' }) });
    await settled();
    expect(gateway.calls.map(({ options }) => options.idempotencyKey)).toEqual(['o-2']);
    expect(consumer.acked).toEqual(['m1', 'm2']);
    await worker.close();
  });

  it('comes again when the audit cannot be written, and its end is found once it can', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.answer = () => {
      throw new AuditUnavailableError('database is down');
    };
    consumer.send({ orderId: 'o-1' });
    const worker = start();
    await clock.advance(600_000);
    expect(gateway.calls.length).toBeGreaterThan(5);
    expect(consumer.acked).toEqual([]);
    gateway.answer = () => success();
    await clock.advance(300_000);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('is retried a bounded number of times and then parked for the broker’s %DLQ%, never acknowledged', async () => {
    const { clock, consumer, gateway, lines, start } = harness();
    gateway.answer = () => Promise.reject(new Error('bug'));
    consumer.send({ orderId: 'o-1' });
    const worker = start();
    await clock.advance(24 * 3_600_000);
    expect(worker.stats()).toMatchObject({ received: 17, retried: 15, parked: 2, acked: 0, inFlight: 0 });
    expect(consumer.deadLetters).toEqual(['m1']);
    expect(lines.filter(({ level }) => level === 'error')).toHaveLength(2);
    await worker.close();
  });

  it('whose acknowledgement fails is left to its redelivery', async () => {
    const { clock, consumer, lines, start } = harness();
    consumer.fail.ack = new BrokerError('not confirmed', { retryable: true });
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 30_000 });
    await clock.advance(29_999);
    expect(worker.stats()).toMatchObject({ acked: 0, unsettled: 1, inFlight: 0 });
    expect(lines.filter(({ level }) => level !== 'debug')).toEqual([
      {
        level: 'warn',
        message: expect.stringMatching(/^the broker did not confirm/),
        fields: expect.objectContaining({ settlement: 'ack' }),
      },
    ]);
    delete consumer.fail.ack;
    await clock.advance(1);
    expect(consumer.acked).toEqual(['m1']);
    expect(consumer.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2]);
    await worker.close();
  });

  it('of a worker that died comes to another worker of the group when its lease ends', async () => {
    const { clock, consumer, gateway, start } = harness();
    consumer.send({ orderId: 'o-1' });
    // Received by a worker that is killed before it does anything.
    await consumer.receive(1, 30_000);
    const worker = start();
    await clock.advance(29_999);
    expect(gateway.calls).toHaveLength(0);
    await clock.advance(1);
    expect(gateway.calls).toHaveLength(1);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('is named on its log lines by listener, correlation id, message id and attempt, and its body is not', async () => {
    const { consumer, gateway, lines, start } = harness();
    gateway.answer = () => Promise.reject(new Error('bug'));
    consumer.send({ orderId: 'o-1', card: '4111111111111111' }, { properties: { 'checkback-correlation-id': 'c-1' } });
    consumer.send(new TextEncoder().encode('{"card":"4111111111111111"'));
    const worker = start();
    await settled();
    expect(lines.find(({ level }) => level === 'warn')!.fields).toMatchObject({
      listener: 'charge-payment',
      correlationId: 'c-1',
      messageId: 'm1',
      deliveryAttempt: 1,
    });
    expect(JSON.stringify(lines)).not.toContain('4111');
    await worker.close();
  });
});

describe('Whatever is thrown', () => {
  it.each<[string, Parameters<typeof orderListener>[0]]>([
    ['input', { input: () => fault() }],
    ['idempotencyKey', { idempotencyKey: () => fault() }],
  ])('by %s harms no other delivery', async (_, changes) => {
    const { clock, consumer, start } = harness();
    const worker = start({ listener: orderListener(changes) });
    consumer.send({ orderId: 'o-1' });
    await clock.advance(100);
    expect(worker.stats()).toMatchObject({ retried: 1, inFlight: 0 });
    await clock.advance(5_000);
    expect(worker.stats().retried).toBeGreaterThan(1);
    await worker.close();
  });

  it('by the gateway, synchronously or not, of any type, the pipeline lives on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything({ withNullPrototype: true, withBigInt: true }), fc.boolean(), async (thrown, isSync) => {
        const { clock, consumer, gateway, start } = harness();
        gateway.answer = (input) => {
          if ((input as { orderId: string }).orderId === 'o-1') return success();
          if (isSync) throw thrown;
          return Promise.reject(thrown);
        };
        consumer.send({ orderId: 'bad' });
        const worker = start({ concurrency: 1 });
        await clock.advance(1_000);
        consumer.send({ orderId: 'o-1' });
        await clock.advance(1_000);
        expect(consumer.acked).toEqual(['m2']);
        expect(worker.stats()).toMatchObject({ unsettled: 0 });
        await worker.close();
      }),
      { numRuns: 50 },
    );
  });
});

describe('Poison', () => {
  it.each(POISON)('with %s is buried at its first delivery while the others flow', async (_, body) => {
    const { clock, consumer, gateway, start } = harness();
    const deadLetter = vi.fn(async () => {});
    consumer.send({ orderId: 'o-1' });
    const poison = consumer.send(body);
    consumer.send({ orderId: 'o-3' });
    const worker = start({ deadLetter });
    await clock.advance(3_600_000);
    expect(gateway.calls.map(({ options }) => options.idempotencyKey)).toEqual(['o-1', 'o-3']);
    expect(deadLetter).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ messageId: poison, deliveryAttempt: 1 }),
      expect.stringMatching(/^InvalidMessageError: /),
      expect.any(InvalidMessageError),
      expect.objectContaining({ name: expect.any(String) as string }),
    );
    expect([...consumer.acked].sort()).toEqual(['m1', 'm2', 'm3']);
    expect(worker.stats()).toMatchObject({ acked: 2, deadLettered: 1, retried: 0 });
    await worker.close();
  });

  it('without a sink is postponed by parkMs at every delivery until the broker moves it to its %DLQ%', async () => {
    const { clock, consumer, gateway, start } = harness({ maxDeliveries: 3 });
    const poison = consumer.send(new TextEncoder().encode('{'));
    const worker = start({ parkMs: 600_000 });
    await clock.advance(599_999);
    expect(consumer.postponements).toEqual([expect.objectContaining({ messageId: poison, ms: 600_000 })]);
    await clock.advance(1_200_001 + 5_000);
    expect(worker.stats()).toMatchObject({ received: 3, parked: 3, acked: 0 });
    expect(consumer.deadLetters).toEqual([poison]);
    expect(gateway.calls).toEqual([]);
    await worker.close();
  });

  it('stays with the broker while the sink fails, and is acknowledged only once it is kept', async () => {
    const { clock, consumer, start } = harness();
    const kept: string[] = [];
    let isDown = true;
    const worker = start({
      deadLetter: async ({ messageId }) => {
        if (isDown) throw new Error('store is down');
        kept.push(messageId);
      },
    });
    consumer.send(new TextEncoder().encode('{'));
    await clock.advance(10_000);
    expect(consumer.acked).toEqual([]);
    isDown = false;
    await clock.advance(60_000);
    expect(kept).toEqual(['m1']);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });
});

const fault = (): never => {
  throw new TypeError('bug in a listener');
};
