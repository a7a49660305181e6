import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/**
 * An order of the worked example. `transactionId` says which transaction wrote the row: the check-back matches it, so
 * that a second attempt at the same order, perhaps with another amount, is never taken for the first.
 */
export const OrderEntity = defineEntity({
  name: 'Order',
  tableName: 'orders',
  properties: {
    id: p.string().length(64).primary(),
    transactionId: p.string().length(36).unique(),
    customerId: p.string().length(64),
    /** Integer minor units (cents); never a float. */
    amountMinor: p.bigint('bigint'),
    currency: p.string().length(3),
    status: p.enum(['PLACED', 'PAID', 'REJECTED'] as const).default('PLACED'),
    createdAt: p.datetime(3).onCreate(() => new Date()),
  },
  indexes: [{ name: 'orders_created_at', properties: ['createdAt'] }],
});

export type Order = InferEntity<typeof OrderEntity>;
