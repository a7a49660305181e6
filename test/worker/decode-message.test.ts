import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ReceivedMessage } from '../../src/broker/message.ts';
import { InvalidMessageError } from '../../src/errors.ts';
import { decodeMessage } from '../../src/worker/decode-message.ts';

const received = (body: unknown, properties: Record<string, string> = {}): ReceivedMessage => ({
  messageId: 'm1',
  topic: 'orders',
  tag: 'placed',
  keys: ['o-1'],
  properties,
  body: new TextEncoder().encode(JSON.stringify(body)),
  deliveryAttempt: 2,
  bornAt: undefined,
});

const Order = z.object({ orderId: z.string(), placedAt: z.iso.date().transform((text) => new Date(text)) });

describe('Message decoding', () => {
  it('gives the listener what the schema returns, not what was sent', async () => {
    const message = await decodeMessage(received({ orderId: 'o-1', placedAt: '2026-11-23', extra: 1 }), Order);
    expect(message.payload).toEqual({ orderId: 'o-1', placedAt: new Date('2026-11-23') });
  });

  it('carries the ids of the order and the attempt', async () => {
    const properties = { 'checkback-correlation-id': 'c-1', 'checkback-tx': 't-1' };
    expect(await decodeMessage(received({}, properties))).toEqual({
      payload: {},
      correlationId: 'c-1',
      transactionId: 't-1',
      messageId: 'm1',
      topic: 'orders',
      tag: 'placed',
      keys: ['o-1'],
      properties,
      deliveryAttempt: 2,
    });
  });

  it('falls back to the message id as the correlation id of somebody who sets none', async () => {
    expect(await decodeMessage(received({}))).toMatchObject({ correlationId: 'm1', transactionId: undefined });
  });

  it('names the paths a schema refuses, and no value', async () => {
    const schema = z.object({ card: z.object({ number: z.literal('none') }), lines: z.array(z.number()) });
    const decoding = decodeMessage(received({ card: { number: '4111111111111111' }, lines: [1, 'x'] }), schema);
    await expect(decoding).rejects.toThrow(new InvalidMessageError('payload is refused by its schema at card.number, lines.1'));
  });

  it('names five paths at most', async () => {
    const schema = z.object(Object.fromEntries(Array.from('abcdefg').map((key) => [key, z.string()])));
    await expect(decodeMessage(received({}), schema)).rejects.toThrow('at a, b, c, d, e and 2 more');
  });

  it('waits for a schema that validates asynchronously', async () => {
    const schema = standard(async (value) => ({ value: `checked ${String(value)}` }));
    expect((await decodeMessage(received('o-1'), schema)).payload).toBe('checked o-1');
    const refusing = standard(async () => ({ issues: [{ message: 'no' }] }));
    await expect(decodeMessage(received('o-1'), refusing)).rejects.toThrow('refused by its schema at the root');
  });

  it('rejects with what a schema throws: its fault, not the message’s', async () => {
    const fault = new TypeError('boom');
    const schema = standard(() => {
      throw fault;
    });
    await expect(decodeMessage(received({}), schema)).rejects.toBe(fault);
  });
});

const standard = (validate: StandardSchemaV1.Props<unknown, string>['validate']): StandardSchemaV1<unknown, string> => ({
  '~standard': { version: 1, vendor: 'test', validate },
});

describe('Payload versions', () => {
  const schemas = {
    1: z.object({ id: z.string() }).transform(({ id }) => ({ orderId: id })),
    2: z.object({ orderId: z.string() }),
  };

  it('are each read by their own schema into the shape of today', async () => {
    expect((await decodeMessage(received({ id: 'o-1' }), schemas)).payload).toEqual({ orderId: 'o-1' });
    expect((await decodeMessage(received({ orderId: 'o-1' }, { 'checkback-version': '2' }), schemas)).payload).toEqual({ orderId: 'o-1' });
  });

  it.each(['3', '0', '__proto__', 'constructor'])('that nobody here knows are refused: %s', async (version) => {
    await expect(decodeMessage(received({ orderId: 'o-1' }, { 'checkback-version': version }), schemas)).rejects.toThrow(
      /is unknown here; known are 1, 2/,
    );
  });
});
