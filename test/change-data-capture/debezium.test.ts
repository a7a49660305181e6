import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  type DebeziumChange,
  type DebeziumPayloadOptions,
  debeziumPayload,
} from '../../src/change-data-capture/debezium/debezium-payload.ts';
import { decodeMessage } from '../../src/worker/decode-message.ts';
import * as fixtures from './support/debezium-events.ts';

/** As a worker reads it from the broker. */
const received = async <Payload = DebeziumChange>(event: unknown, options?: DebeziumPayloadOptions<Payload>): Promise<Payload> => {
  const body = typeof event === 'string' ? Buffer.from(event) : Buffer.from(JSON.stringify(event));
  const message = {
    topic: 'shop.inventory.orders',
    tag: '',
    keys: [],
    properties: {},
    body,
    messageId: 'm1',
    deliveryAttempt: 1,
    bornAt: undefined,
  };
  return (await decodeMessage(message, debeziumPayload(options))).payload;
};

const ROW = {
  id: 'order-1',
  customer_id: 'customer-1',
  amount_minor: 4_200,
  price: '-1234.56',
  placed_on: '2026-11-23',
  created_at: new Date('2026-11-23T10:15:30.123Z'),
  exact_at: new Date('2026-11-23T10:15:30.123Z'),
  stamped_at: new Date('2026-11-23T09:15:30.000Z'),
  opens: '08:30:00.500000',
  digest: new Uint8Array([0, 255, 128]),
  notes: { gift: true },
  state: 'PLACED',
  cancelled_by: null,
};

describe('debeziumPayload', () => {
  it('reads an envelope by its own schema', async () => {
    const change = await received(fixtures.withSchema('c'));
    expect(change).toMatchObject({
      operation: 'create',
      before: undefined,
      after: ROW,
      source: { connector: 'mysql', table: 'orders', ts_ms: 1_763_892_930_000 },
    });
  });

  it('reads an envelope without a schema by what is declared', async () => {
    const change = await received(fixtures.withoutSchema('r'), { columns: fixtures.COLUMNS });
    expect(change).toMatchObject({ operation: 'snapshot', after: ROW });
  });

  it('reads a flat row, with its schema or without, and what add.fields added', async () => {
    const flat = await received(fixtures.flat({ __op: 'u', __source_ts_ms: 7, __deleted: 'false' }), {
      columns: fixtures.COLUMNS,
      operations: ['update'],
    });
    expect(flat).toEqual({ operation: 'update', before: undefined, after: ROW, source: { ts_ms: 7 } });
    const bare = await received(fixtures.flatWithSchema());
    expect(bare).toMatchObject({ operation: 'create', after: ROW });
    const gone = await received(fixtures.flat({ __deleted: 'true' }), { columns: fixtures.COLUMNS, operations: ['delete'] });
    expect(gone).toMatchObject({ operation: 'delete', before: ROW, after: undefined });
  });

  it('gives before and after of an update, and before of a delete', async () => {
    expect(await received(fixtures.withSchema('u'), { operations: ['update'] })).toMatchObject({
      operation: 'update',
      before: ROW,
      after: ROW,
    });
    expect(await received(fixtures.withSchema('d'), { operations: ['delete'] })).toMatchObject({
      operation: 'delete',
      before: ROW,
      after: undefined,
    });
  });

  it('becomes a listener’s own payload, checked by its own schema', async () => {
    const options: DebeziumPayloadOptions<{ orderId: string; amountMinor: number }> = {
      payloadOf: ({ after }) => ({ orderId: after?.['id'], amountMinor: after?.['amount_minor'] }),
      schema: z.object({ orderId: z.string(), amountMinor: z.number() }),
    };
    expect(await received(fixtures.withSchema('c'), options)).toEqual({ orderId: 'order-1', amountMinor: 4_200 });
    const wrong = received(fixtures.withSchema('c'), { ...options, payloadOf: () => ({ orderId: 7 }) });
    await expect(wrong).rejects.toMatchObject({ code: 'CB_INVALID_MESSAGE', message: expect.stringContaining('orderId') });
  });

  it.each([
    ['an operation it does not take', fixtures.withSchema('d')],
    ['a truncation', { ...fixtures.withoutSchema('c'), op: 't' }],
    ['a tombstone', null],
    ['a tombstone with its schema', { schema: null, payload: null }],
    ['something else', [1, 2, 3]],
    ['a flat row of nothing', { __op: 'c' }],
  ])('refuses %s', async (_, event) => {
    await expect(received(event)).rejects.toMatchObject({ code: 'CB_INVALID_MESSAGE' });
  });

  it.each([
    ['a decimal that is no base64', { price: '-1234.56' }, 'price'],
    ['a date that is no number', { placed_on: '2026-11-23' }, 'placed_on'],
    ['a moment outside of time', { created_at: 9e15 }, 'created_at'],
    ['a document that is no JSON', { notes: '{' }, 'notes'],
    ['text that is no date', { stamped_at: 'yesterday' }, 'stamped_at'],
  ])('refuses %s, naming the column and not its value', async (_, changes, column) => {
    const event = fixtures.withoutSchema('c', changes);
    const refused = received(event, { columns: fixtures.COLUMNS });
    await expect(refused).rejects.toThrow(column);
    await expect(refused).rejects.not.toThrow(String(Object.values(changes)[0]));
  });

  it('refuses a BIGINT that a JSON number has rounded', async () => {
    const text = JSON.stringify(fixtures.withoutSchema('c')).replace('"amount_minor":4200', '"amount_minor":9223372036854775807');
    await expect(received(text, { columns: fixtures.COLUMNS })).rejects.toThrow('amount_minor');
  });

  it.each([
    ['AA==', 2, '0.00'],
    ['AQ==', 2, '0.01'],
    ['/w==', 2, '-0.01'],
    ['AIA=', 0, '128'],
    ['gA==', 0, '-128'],
    ['//////////8=', 3, '-0.001'],
    ['AxzOg5IB', 4, '342225869.6705'],
  ])('reads the decimal %s with %i digits as %s', async (bytes, decimal, text) => {
    const { after } = await received({ op: 'c', after: { price: bytes } }, { columns: { price: { decimal } } });
    expect(after?.['price']).toBe(text);
  });

  it('reads times, nanoseconds and other spellings of bytes', async () => {
    const { after } = await received(
      { op: 'c', after: { a: -3_723_000_001, b: 86_399_000, c: 1_763_892_930_123_456_800, d: '00ff80', e: 'AP-A', f: 1_000 } },
      { columns: { a: 'time-microseconds', b: 'time-milliseconds', c: 'nanoseconds', d: 'hex', e: 'base64url', f: 'time-nanoseconds' } },
    );
    const bytes = new Uint8Array([0, 255, 128]);
    expect(after).toEqual({
      a: '-01:02:03.000001',
      b: '23:59:59',
      c: new Date(1_763_892_930_123),
      d: bytes,
      e: bytes,
      f: '00:00:00.000001',
    });
  });

  it('refuses operations nobody knows', () => {
    expect(() => debeziumPayload({ operations: ['c'] as never })).toThrow('operations must be of create, update, delete, snapshot');
  });
});
