import { expect } from 'vitest';
import type { Resolution, TransactionDiagnostics } from '../../../src/index.ts';
import type { Shop } from '../../support/publishing-shop.ts';
import type { Deliveries } from './deliveries.ts';
import type { ParkedOrders } from './parking-producer.ts';

const PATIENCE = { timeout: 20_000, interval: 50 };

/** Every answer the broker was given about an order, by the producer that was struck and by its heir. */
export function answersAbout(orderId: string, producer: ParkedOrders, checked: readonly TransactionDiagnostics['checked'][]): Resolution[] {
  const heirs = checked.filter(({ correlationId }) => correlationId === orderId);
  return [...producer.said('checked', orderId), ...heirs].map(({ resolution }) => resolution as Resolution);
}

/**
 * I1 and I2 of a struck producer's orders, given as their id and whether a half message of theirs waits for an
 * answer: `committed` are the rows there are, all of them are delivered, the others are answered ROLLBACK, and no order
 * was ever answered both ways. Ends with the other orders' answers; whoever calls this looks at the deliveries last.
 */
export async function expectSettled(
  shop: Shop,
  orders: readonly { readonly orderId: string; readonly isAsked: boolean; readonly isCommitted: boolean }[],
  answers: (orderId: string) => Resolution[],
  deliveries: Deliveries,
): Promise<void> {
  const committed = orders.filter(({ isCommitted }) => isCommitted).map(({ orderId }) => orderId);
  await expect.poll(() => shop.orderIds(), PATIENCE).toEqual(committed.toSorted());
  await expect.poll(() => committed.filter((orderId) => !deliveries.ids().has(orderId)), PATIENCE).toEqual([]);
  const unanswered = (): string[] =>
    orders
      .filter(({ orderId, isAsked, isCommitted }) => isAsked && !answers(orderId).includes(isCommitted ? 'COMMIT' : 'ROLLBACK'))
      .map(({ orderId }) => orderId);
  await expect.poll(unanswered, PATIENCE).toEqual([]);
  const wrong = orders.filter(({ orderId, isCommitted }) => answers(orderId).includes(isCommitted ? 'ROLLBACK' : 'COMMIT'));
  expect(wrong).toEqual([]);
}
