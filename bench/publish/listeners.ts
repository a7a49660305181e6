import { OrderEntity } from '../../schema/index.ts';
import { rowExists } from '../../src/transaction/lookup.ts';
import { defineTransactionListener, type HalfMode, type TransactionListener } from '../../src/transaction/transaction-listener.ts';
import type { BenchOrder } from './orders.ts';

/** The worked example's listener on a topic of the bench: the row through the ORM. */
export const ormListener = (topic: string, half: HalfMode): TransactionListener<BenchOrder> =>
  defineTransactionListener<BenchOrder>({
    topic,
    tag: 'placed',
    keys: (order) => [order.orderId],
    half,
    lookup: rowExists(OrderEntity, ({ transactionId }) => ({ transactionId })),
    execute(em, order, { transactionId }) {
      em.create(OrderEntity, {
        id: order.orderId,
        transactionId,
        customerId: order.customerId,
        amountMinor: BigInt(order.amountMinor),
        currency: order.currency,
        status: 'PLACED',
      });
      return 'COMMIT';
    },
  });

/** The same with statements of its own on the transaction's connection. */
export const sqlListener = (topic: string, half: HalfMode): TransactionListener<BenchOrder> =>
  defineTransactionListener<BenchOrder>({
    topic,
    tag: 'placed',
    keys: (order) => [order.orderId],
    half,
    lookup: rowExists(OrderEntity, ({ transactionId }) => ({ transactionId })),
    async executeSql(sql, { orderId: id, customerId, amountMinor, currency }, { transactionId }) {
      const order = { id, transactionId, customerId, amountMinor: BigInt(amountMinor), currency, status: 'PLACED' as const };
      await sql.insert(OrderEntity, order);
    },
  });
