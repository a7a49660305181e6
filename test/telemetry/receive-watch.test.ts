import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../src/broker/consumer.ts';
import { ReceiveWatch } from '../../src/cli/telemetry/receive-watch.ts';
import { BrokerError } from '../../src/errors.ts';

function watched() {
  let now = 0;
  let answer: () => Promise<Delivery[]> = async () => [];
  const watch = new ReceiveWatch({ now: () => now, sleep: () => Promise.resolve() });
  const consumer = watch.watch({ topic: 'orders', group: 'payments', receive: () => answer(), close: async () => {} });
  return {
    watch,
    consumer,
    answers: (given: () => Promise<Delivery[]>) => void (answer = given),
    pass: (ms: number) => void (now += ms),
  };
}

describe('What receiving tells of the broker', () => {
  it('is nothing bad before the first question, and after an answer', async () => {
    const { watch, consumer } = watched();
    expect(watch.complaint()).toBeUndefined();
    await consumer.receive(1, 1_000);
    expect(watch.complaint()).toBeUndefined();
  });

  it('is the failure of the last question, until one is answered', async () => {
    const { watch, consumer, answers } = watched();
    answers(() => Promise.reject(new BrokerError('secret', { retryable: true })));
    await expect(consumer.receive(1, 1_000)).rejects.toThrow('secret');
    expect(watch.complaint()).toBe('receiving from topic "orders" fails with CB_BROKER');
    answers(async () => []);
    await consumer.receive(1, 1_000);
    expect(watch.complaint()).toBeUndefined();
  });

  it('is no failure when the worker itself gives up', async () => {
    const { watch, consumer, answers } = watched();
    const stop = new AbortController();
    answers(() => Promise.reject(new Error('aborted')));
    stop.abort();
    await expect(consumer.receive(1, 1_000, stop.signal)).rejects.toThrow('aborted');
    expect(watch.complaint()).toBeUndefined();
  });

  it('is a question that hangs for longer than a long poll takes', async () => {
    const { watch, consumer, answers, pass } = watched();
    const gate = Promise.withResolvers<Delivery[]>();
    answers(() => gate.promise);
    const asking = consumer.receive(1, 1_000);
    pass(40_000);
    expect(watch.complaint()).toBeUndefined();
    pass(1);
    expect(watch.complaint()).toBe('no answer about topic "orders" for 40001 ms');
    gate.resolve([]);
    await asking;
    expect(watch.complaint()).toBeUndefined();
  });
});
