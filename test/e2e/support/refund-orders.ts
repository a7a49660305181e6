import type { EntityManager } from '@mikro-orm/core';
import { OrderEntity } from '../../../schema/index.ts';
import { type HalfMode, type TransactionListener, defineTransactionListener } from '../../../src/index.ts';
import { type Compensation, compensationListener } from '../../../src/saga/compensate-by-publishing.ts';
import { executeIn } from '../../support/execute-in.ts';

export interface Refund {
  readonly orderId: string;
}

/** A failed payment's order is rejected, and `refund` is published, as one decision. */
export const refundOn = (topic: string, half: HalfMode): TransactionListener<Compensation<Refund>> =>
  defineTransactionListener(
    compensationListener<Refund>({ name: `refund-${half}`, topic, tag: 'refund', half, keys: ({ orderId }) => [orderId] }),
  );

/** Moves the call of an order from PENDING to FAIL and its order to REJECTED; refuses a call that is not PENDING (any more). */
export const recordFailure =
  (orderId: string, afterwards: () => void = () => {}) =>
  async (em: EntityManager): Promise<void> => {
    const pending = await executeIn(em, `select id from external_call where idempotency_key = ? and status = 'PENDING' for update`, [
      orderId,
    ]);
    if (pending.length === 0) throw new Error(`${orderId} has its outcome already`);
    await executeIn(em, `update external_call set status = 'FAIL' where idempotency_key = ?`, [orderId]);
    await em.nativeUpdate(OrderEntity, { id: orderId }, { status: 'REJECTED' });
    afterwards();
  };
