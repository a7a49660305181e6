import type { EntityManager } from '@mikro-orm/core';
import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import { z } from 'zod';
import { ConfigurationError, InvalidMessageError, UnknownOutcomeError } from '../../src/errors.ts';
import { defineMessageListener } from '../../src/worker/message-listener.ts';
import type { AnyListener } from '../../src/worker/message-listener.ts';
import type { ProcessedMessageStore } from '../../src/worker/processed-message-store.ts';
import { startWorker } from '../../src/worker/worker.ts';
import { settled } from './support/manual-clock.ts';
import { harness, orderListener } from './support/worker-harness.ts';
import type { Order } from './support/worker-harness.ts';

const names = { name: 'charge-payment', topic: 'orders', group: 'payments' };
const em = {} as EntityManager;

/** Keeps what it was told in memory; a transaction that throws leaves nothing. */
const inMemoryProcessed = (): ProcessedMessageStore & { readonly done: Set<string> } => {
  const done = new Set<string>();
  return {
    done,
    once: async (listener, key, work) => {
      if (done.has(`${listener} ${key}`)) return 'duplicate';
      await work(em);
      done.add(`${listener} ${key}`);
      return 'processed';
    },
  };
};

describe('Listener that processes', () => {
  it('is run for each delivery and acknowledges it, with no gateway and no database', async () => {
    const { clock, consumer } = harness();
    const seen: string[] = [];
    const listener = defineMessageListener({
      ...names,
      payload: z.object({ orderId: z.string() }),
      process: ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<{ orderId: string }>();
        seen.push(payload.orderId);
      },
    });
    consumer.send({ orderId: 'o-1' });
    consumer.send({ orderId: 'o-2' });
    const worker = startWorker({ consumers: [{ listener, consumer }], clock });
    await settled();
    expect(seen).toEqual(['o-1', 'o-2']);
    expect(consumer.acked).toEqual(['m1', 'm2']);
    await worker.close();
  });

  it('comes again when it throws, is dead at once when it calls the message invalid', async () => {
    const { clock, consumer, start } = harness();
    const deadLetter = vi.fn(async () => {});
    const listener = defineMessageListener<Order>({
      ...names,
      process: async ({ payload, deliveryAttempt }) => {
        if (payload.orderId === 'bad') throw new InvalidMessageError('no such product');
        if (deliveryAttempt === 1) throw new Error('not yet');
      },
    });
    consumer.send({ orderId: 'bad' });
    consumer.send({ orderId: 'o-2' });
    const worker = start({ consumers: [{ listener, consumer }], deadLetter });
    await clock.advance(60_000);
    expect(deadLetter).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ messageId: 'm1' }),
      'InvalidMessageError: no such product',
      expect.any(InvalidMessageError),
      expect.objectContaining({ name: expect.any(String) as string }),
    );
    expect(consumer.deliveries.filter(({ messageId }) => messageId === 'm2')).toHaveLength(2);
    expect(consumer.backlog).toBe(0);
    await worker.close();
  });

  it('is told by its signal when the worker closes, and its message is handed back', async () => {
    const { clock, consumer, start } = harness();
    const listener = defineMessageListener<Order>({
      ...names,
      process: (_message, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
    });
    consumer.send({ orderId: 'o-1' });
    const worker = start({ consumers: [{ listener, consumer }] });
    await settled();
    const closing = worker.close(1_000);
    await clock.advance(1_000);
    expect(await closing).toEqual({ finished: 0, handedBack: 1, unsettled: 0 });
  });
});

describe('Listener that handles', () => {
  const handling = (handle: (em: EntityManager, orderId: string) => Promise<void>) =>
    defineMessageListener<Order>({
      ...names,
      handle: (given, { payload }) => handle(given, payload.orderId),
      idempotencyKey: ({ payload }) => payload.orderId,
    });

  it('is run once per key, in the transaction of the store; a duplicate is acknowledged unhandled', async () => {
    const { consumer, start } = harness();
    const processed = inMemoryProcessed();
    const handled: string[] = [];
    const listener = handling(async (given, orderId) => {
      expect(given).toBe(em);
      handled.push(orderId);
    });
    for (const orderId of ['o-1', 'o-2', 'o-1']) consumer.send({ orderId });
    const worker = start({ consumers: [{ listener, consumer }], processed, concurrency: 1 });
    await settled();
    expect(handled).toEqual(['o-1', 'o-2']);
    expect(processed.done).toEqual(new Set(['charge-payment o-1', 'charge-payment o-2']));
    expect(consumer.acked).toEqual(['m1', 'm2', 'm3']);
    await worker.close();
  });

  it('comes again when it throws, and has one effect', async () => {
    const { clock, consumer, start } = harness();
    const processed = inMemoryProcessed();
    let tries = 0;
    const listener = handling(async () => {
      if ((tries += 1) < 3) throw new Error('deadlock');
    });
    consumer.send({ orderId: 'o-1' });
    const worker = start({ consumers: [{ listener, consumer }], processed });
    await clock.advance(60_000);
    expect(tries).toBe(3);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('needs a key of at most 128 characters: without one the message is dead', async () => {
    const { consumer, start } = harness();
    const deadLetter = vi.fn(async () => {});
    const listener = handling(async () => {});
    consumer.send({ orderId: '' });
    consumer.send({ orderId: 'x'.repeat(129) });
    const worker = start({ consumers: [{ listener, consumer }], processed: inMemoryProcessed(), deadLetter });
    await settled();
    expect(deadLetter).toHaveBeenCalledTimes(2);
    await worker.close();
  });
});

describe('Definition of a listener', () => {
  const process = (): void => {};
  const handle = async (): Promise<void> => {};
  const idempotencyKey = (): string => 'k';
  const define = (fields: object): AnyListener => defineMessageListener({ ...names, ...fields } as never);

  it.each([
    [{}, 'call, handle and process: exactly one of them must be there, there is none'],
    [{ process, handle }, 'call, handle and process: exactly one of them must be there, there are handle and process'],
    [{ process, call: {} }, 'call, handle and process: exactly one of them must be there, there are call and process'],
    [{ process, idempotencyKey }, 'idempotencyKey is not a field of a message listener that has process'],
    [{ handle, idempotencyKey, onFail: handle }, 'onFail is not a field of a message listener that has handle'],
    [{ handle }, 'idempotencyKey must be a function, it is undefined'],
    [{ process: 'run' }, 'process must be a function, it is "run"'],
    [{ process, serialiseBy: 'orderId' }, 'serialiseBy must be a function, or left out, it is "orderId"'],
  ])('has one thing to do with its messages, and the fields of that: %j', (fields, fault) => {
    expect(() => define(fields)).toThrow(new ConfigurationError(`message listener "charge-payment": ${fault}`));
  });

  it('refuses two things to do by its types too', () => {
    // @ts-expect-error -- process and handle
    expect(() => defineMessageListener({ ...names, process, handle, idempotencyKey })).toThrow(ConfigurationError);
    // @ts-expect-error -- handle without a key
    expect(() => defineMessageListener({ ...names, handle })).toThrow(ConfigurationError);
  });

  it('says what its worker lacks', () => {
    const { consumer } = harness();
    const start = (listener: AnyListener) => () => startWorker({ consumers: [{ listener, consumer }] });
    expect(start(orderListener())).toThrow('message listener charge-payment: it needs a gateway');
    expect(start(define({ handle, idempotencyKey }))).toThrow('message listener charge-payment: it needs a store of processed messages');
  });
});

describe('Call that ends UNKNOWN', () => {
  it('is handed to its sink before the message is acknowledged, also when it is replayed', async () => {
    const { consumer, gateway, start } = harness();
    const error = new UnknownOutcomeError('502');
    gateway.answer = (_input, _options, nth) => ({ status: 'UNKNOWN', error, replayed: nth > 1 });
    const listener = orderListener();
    const told: unknown[][] = [];
    const worker = start({
      listener,
      concurrency: 1,
      unknownOutcome: async (...args) => {
        expect(consumer.acked).toHaveLength(told.length);
        told.push(args);
      },
    });
    consumer.send({ orderId: 'o-1' });
    consumer.send({ orderId: 'o-1' });
    await settled();
    expect(told).toEqual(['m1', 'm2'].map((messageId) => [listener, expect.objectContaining({ messageId }), 'o-1', error]));
    expect(consumer.acked).toEqual(['m1', 'm2']);
    await worker.close();
  });

  it('stays with the broker while its sink fails', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.answer = () => ({ status: 'UNKNOWN', error: new UnknownOutcomeError('502'), replayed: false });
    let isDown = true;
    const worker = start({
      unknownOutcome: async () => {
        if (isDown) throw new Error('store is down');
      },
    });
    consumer.send({ orderId: 'o-1' });
    await clock.advance(10_000);
    expect(consumer.acked).toEqual([]);
    expect(worker.stats().retried).toBeGreaterThan(0);
    isDown = false;
    await clock.advance(60_000);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });
});
