import { describe, expect, it, vi } from 'vitest';
import { BrokerError, ReadTimeoutError } from '../../src/errors.ts';
import { defineExternalCall } from '../../src/gateway/external-call.ts';
import { readTimerMessage } from '../../src/status-check/timer-message.ts';
import { eventsOf, harness, MINUTE, type Order } from './support/checker-harness.ts';

describe('keepUnknownOutcomes', () => {
  it('records the message, and sends a timer that fires when it is due', async () => {
    const { clock, keep, message, sent, store } = harness();
    const { events, stop } = eventsOf('scheduled');
    await keep('o-1', undefined, new ReadTimeoutError('silence'));
    stop();
    expect(store.only()).toMatchObject({
      callName: 'charge',
      idempotencyKey: 'o-1',
      listener: 'charge-payment',
      correlationId: 'c-o-1',
      message: message('o-1'),
      state: 'DUE',
      errorCode: 'CB_READ_TIMEOUT',
      nextCheckAt: clock.now() + 5 * MINUTE,
    });
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ message: { topic: 'status-checks', keys: ['o-1'] }, delayMs: 5 * MINUTE });
    expect(readTimerMessage(sent[0]!.message.body)).toEqual({ callName: 'charge', idempotencyKey: 'o-1' });
    expect(events).toEqual([
      { callName: 'charge', idempotencyKey: 'o-1', listener: 'charge-payment', correlationId: 'c-o-1', afterMs: 5 * MINUTE },
    ]);
  });

  it('changes nothing for a message that comes again: neither age nor timer', async () => {
    const { clock, keep, sent, store } = harness();
    await keep('o-1');
    const { nextCheckAt, unknownSince } = store.only();
    await clock.advance(MINUTE);
    await keep('o-1');
    expect(store.only()).toMatchObject({ nextCheckAt, unknownSince });
    expect(sent).toHaveLength(1);
  });

  it('rejects when the record cannot be written, so that the message is not acknowledged', async () => {
    const { keep, sent, store } = harness();
    store.fault = new Error('database is down');
    await expect(keep('o-1')).rejects.toThrow('database is down');
    expect(sent).toEqual([]);
  });

  it('holds although the timer message is lost', async () => {
    const { keep, lines, producer, store } = harness();
    const { events, stop } = eventsOf('timer-failed');
    vi.mocked(producer.send).mockRejectedValue(new BrokerError('broker is down', { retryable: true }));
    await keep('o-1');
    stop();
    expect(store.only().state).toBe('DUE');
    expect(events).toMatchObject([{ idempotencyKey: 'o-1', error: { code: 'CB_BROKER' } }]);
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('sends no timer that the broker would refuse as too far away', async () => {
    const { keep, listener, sent } = harness();
    const statusCheck = { afterMs: 86_400_001, maxDelayMs: 86_400_001 };
    await keep('o-1', listener({ statusCheck }));
    expect(sent).toEqual([]);
  });

  it('puts a call without a status check before a person at once', async () => {
    const { keep, listener, sent, store } = harness();
    const { events, stop } = eventsOf('review');
    const call = defineExternalCall<Order, unknown>({ name: 'charge', origin: 'bank', method: 'POST', path: '/payments' });
    await keep('o-1', listener({ call }));
    stop();
    expect(store.only().state).toBe('REVIEW');
    expect(sent).toEqual([]);
    expect(events).toMatchObject([{ idempotencyKey: 'o-1', reason: 'no-status-check' }]);
  });
});

describe('A timer message', () => {
  it.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['null', 'null'],
    ['another shape', '{"callName":1,"idempotencyKey":"k"}'],
    ['bytes that are no text', new Uint8Array([0x7b, 0xff])],
    ['too much', JSON.stringify({ callName: 'c', idempotencyKey: 'k'.repeat(5_000) })],
  ])('with %s names no record', (_, body) => {
    expect(readTimerMessage(typeof body === 'string' ? new TextEncoder().encode(body) : body)).toBeUndefined();
  });
});
