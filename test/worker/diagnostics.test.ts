import { describe, expect, it } from 'vitest';
import { BrokerError, ClosedError } from '../../src/errors.ts';
import { onWorkerEvent } from '../../src/worker/diagnostics.ts';
import type { WorkerDiagnostics } from '../../src/worker/diagnostics.ts';
import { settled } from './support/manual-clock.ts';
import { harness } from './support/worker-harness.ts';

const NAMES: readonly (keyof WorkerDiagnostics)[] = ['received', 'settled', 'dead-lettered', 'lease-lost', 'drained'];

/** Every event told while it listens, without what names the delivery. */
const listen = () => {
  const told: [string, Record<string, unknown>][] = [];
  const stops = NAMES.map((name) => onWorkerEvent(name, (event) => told.push([name, { ...event }])));
  return {
    told,
    stop: () => {
      for (const stop of stops) stop();
    },
  };
};

describe('Worker events', () => {
  it('tell what comes and what becomes of it, by listener, message and attempt', async () => {
    const { clock, consumer, gateway, start } = harness();
    const { told, stop } = listen();
    gateway.answer = (input) => {
      if ((input as { orderId: string }).orderId === 'bad') throw new Error('bug');
      return { status: 'SUCCESS', response: {}, httpStatus: 200, replayed: false };
    };
    const worker = start({ concurrency: 1 });
    consumer.send({ orderId: 'o-1' }, { properties: { 'checkback-correlation-id': 'c-1' } });
    await settled();
    const names = {
      listener: 'charge-payment',
      topic: 'orders',
      group: 'payments',
      messageId: 'm1',
      correlationId: 'c-1',
      deliveryAttempt: 1,
    };
    expect(told).toEqual([
      ['received', names],
      ['settled', { ...names, disposition: 'ack', reason: undefined, tookMs: 0 }],
    ]);
    consumer.send({ orderId: 'bad' });
    await clock.advance(100);
    expect(told.at(-1)).toMatchObject(['settled', { disposition: 'retry', reason: 'Error: bug' }]);
    consumer.fail.ack = new BrokerError('not confirmed', { retryable: true });
    consumer.send({ orderId: 'o-3' });
    await clock.advance(100);
    expect(told.at(-1)).toMatchObject(['settled', { messageId: 'm3', disposition: 'unsettled' }]);
    await worker.close();
    expect(told.at(-1)).toEqual(['drained', { finished: 0, handedBack: 0, unsettled: 0 }]);
    stop();
    const before = told.length;
    consumer.send({ orderId: 'o-4' });
    await start().close();
    expect(told).toHaveLength(before);
  });

  it('tell of what is dead, with a sink and without', async () => {
    const { clock, consumer, start } = harness();
    const { told, stop } = listen();
    consumer.send(new TextEncoder().encode('{'));
    const worker = start({ deadLetter: async () => {} });
    await clock.advance(100);
    const reason = 'InvalidMessageError: body of 1 characters is not JSON';
    expect(told.slice(1)).toMatchObject([
      ['dead-lettered', { messageId: 'm1', reason, error: { code: 'CB_INVALID_MESSAGE' } }],
      ['settled', { disposition: 'buried' }],
    ]);
    await worker.close();
    const parking = start();
    consumer.send(new TextEncoder().encode('{'));
    await clock.advance(100);
    expect(told.slice(-2)).toMatchObject([
      ['dead-lettered', { messageId: 'm2', reason }],
      ['settled', { disposition: 'deadLetter', reason }],
    ]);
    await parking.close();
    stop();
  });

  it('tell of a lease that was lost', async () => {
    const { clock, consumer, gateway, start } = harness();
    const { told, stop } = listen();
    gateway.hold();
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 10_000 });
    await settled();
    consumer.fail.change = new BrokerError('receipt expired', { retryable: false });
    await clock.advance(6_000);
    expect(told.at(-1)).toMatchObject(['lease-lost', { messageId: 'm1', error: expect.any(BrokerError) }]);
    gateway.answer = () => Promise.reject(new ClosedError('over'));
    gateway.letGo();
    await worker.close(0);
    stop();
  });
});
