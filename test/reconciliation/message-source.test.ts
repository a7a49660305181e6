import { describe, expect, it } from 'vitest';
import { chargePayment, orderPayments, placeOrder } from '../../listeners/index.ts';
import type { Order } from '../../schema/index.ts';
import { ConfigurationError, InvalidMessageError } from '../../src/errors.ts';
import { defineMessageSource, type DeliveryRule } from '../../src/reconciliation/message-source.ts';
import { originalMessage } from '../../src/reconciliation/original-message.ts';
import { rebuildMessage } from '../../src/reconciliation/rebuild-message.ts';
import { resolveReconciliationLimits } from '../../src/reconciliation/reconciliation-options.ts';
import { defineTransactionListener, transactionMarker } from '../../src/index.ts';
import { encodeHalfMessage } from '../../src/transaction/half-message.ts';
import { decodeMessage } from '../../src/worker/decode-message.ts';

const order: Order = {
  id: 'o-1',
  transactionId: 't-1',
  customerId: 'c-1',
  amountMinor: 4_200n,
  currency: 'EUR',
  status: 'PLACED',
  createdAt: new Date(0),
};
const parts = { encodeHalfMessage, decodeMessage, owner: 'shop' };
const source = (delivery: DeliveryRule<Order>) => defineMessageSource<Order>({ ...orderPayments, delivery });

describe('defineMessageSource', () => {
  it('fills in how long a message may take and how long it is waited for', () => {
    expect(orderPayments.delivery).toEqual({
      where: { status: 'PLACED' },
      writtenAt: 'createdAt',
      olderThanMs: 900_000,
      republishAfterMs: 3_600_000,
    });
    expect(Object.isFrozen(orderPayments)).toBe(true);
    const { delivery: _, ...bare } = orderPayments;
    expect(defineMessageSource<Order>(bare).delivery).toBeUndefined();
  });

  it.each([
    ['name', { name: 'a b' }, /name "a b" must be/],
    ['listener', { listener: { name: 'x' } }, /must be a message listener that makes a call/],
    ['rowOf', { rowOf: 1 }, /rowOf must be a function/],
    ['messageOf', { messageOf: undefined }, /messageOf must be a function/],
  ])('refuses a wrong %s', (_field, changes, message) => {
    const { delivery: _, ...bare } = orderPayments;
    expect(() => defineMessageSource<Order>({ ...bare, ...changes } as never)).toThrow(ConfigurationError);
    expect(() => defineMessageSource<Order>({ ...bare, ...changes } as never)).toThrow(message);
  });

  it.each(['olderThanMs', 'republishAfterMs'] as const)('refuses a wrong %s', (option) => {
    expect(() => source({ writtenAt: 'createdAt', [option]: -1 })).toThrow(new RegExp(`delivery.${option} must be .* it is -1`));
    expect(() => source({ writtenAt: 'createdAt', [option]: 0 })).not.toThrow();
  });
});

describe('originalMessage', () => {
  it('is what the transaction listener says its message is', () => {
    const several = defineTransactionListener<{ id: string }, { nr: number }>({
      name: 'several',
      half: 'beforeCommit',
      lookup: transactionMarker(),
      database: ({ id }) => `db-${id}`,
      messages: [
        { topic: 'a', tag: 'one' },
        { topic: 'b', tag: 'two', version: 3, keys: ({ id }) => [id], payload: (_input, { nr }) => ({ nr }) },
      ],
      execute: () => 'COMMIT',
    });
    expect(originalMessage(several, { id: 'x' }, { transactionId: 't', correlationId: 'c', nth: 1, produced: { nr: 7 } })).toEqual({
      listener: 'several',
      lookup: 'transactionMarker',
      database: 'db-x',
      topic: 'b',
      tag: 'two',
      version: 3,
      keys: ['x'],
      payload: { nr: 7 },
      transactionId: 't',
      correlationId: 'c',
    });
    expect(() => originalMessage(several, { id: 'x' }, { transactionId: 't', nth: 2 })).toThrow(/has 2 messages, so none is number 2/);
  });
});

describe('rebuildMessage', () => {
  it('gives the message and the key its listener knows it by', async () => {
    const { message, idempotencyKey } = await rebuildMessage(orderPayments, order, parts, 'c-9');
    expect(idempotencyKey).toBe('o-1');
    expect(message.properties).toMatchObject({ 'checkback-owner': 'shop', 'checkback-tx': 't-1', 'checkback-correlation-id': 'c-9' });
    expect(JSON.parse(Buffer.from(message.body).toString())).toEqual({
      orderId: 'o-1',
      customerId: 'c-1',
      amountMinor: 4_200,
      currency: 'EUR',
    });
  });

  it('refuses what the listener would not be given, or gives no key', async () => {
    const elsewhere = { ...orderPayments, listener: { ...chargePayment, topic: 'other' } };
    await expect(rebuildMessage(elsewhere, order, parts)).rejects.toThrow(InvalidMessageError);
    const otherTag = { ...orderPayments, listener: { ...chargePayment, tag: 'cancelled' } };
    await expect(rebuildMessage(otherTag, order, parts)).rejects.toThrow(/does not take/);
    const keyless = { ...orderPayments, listener: { ...chargePayment, idempotencyKey: () => '' } };
    await expect(rebuildMessage(keyless, order, parts)).rejects.toThrow(/no idempotency key/);
    expect(placeOrder.messages[0]!.topic).toBe('orders');
  });
});

describe('resolveReconciliationLimits', () => {
  it.each([
    ['chunk', 0],
    ['chunk', 1_001],
    ['concurrency', 0],
    ['leaseMs', 999],
    ['idleAfterMs', -1],
    ['keepItemsMs', 1],
  ])('refuses %s: %i', (option, value) => {
    expect(() => resolveReconciliationLimits({ [option]: value })).toThrow(new RegExp(`^${option} must be .* it is ${value}$`));
  });

  it('has a default for each', () => {
    expect(resolveReconciliationLimits({ chunk: 7 })).toMatchObject({ chunk: 7, concurrency: 4, leaseMs: 180_000 });
  });
});
