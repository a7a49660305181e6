import { type AnyTransactionListener, defineMessageSource, originalMessage } from '../../../src/index.ts';
import { tortureListeners } from '../torture-listeners.ts';
import { TortureOrderEntity } from '../torture-tables.ts';
import { orderIdInKey } from '../workload.ts';
import { chargeListener } from './charge-listener.ts';

/** Every strategy sends the same message for a row, so any of their listeners can write it again. */
const publishing = (): AnyTransactionListener =>
  tortureListeners({ strategies: ['row-first'], charged: 1 }, () => {}).get('row-first-1-charged')!;

/** How the messages of orders that are to be charged are found again in their rows. */
export const orderSource = (settings: { readonly isSteady: boolean }) =>
  defineMessageSource({
    name: 'torture-orders',
    listener: chargeListener(settings),
    entity: TortureOrderEntity,
    rowOf: (em, { idempotencyKey }) => em.findOne(TortureOrderEntity, { id: orderIdInKey(idempotencyKey) }),
    messageOf: ({ id: orderId, attemptId, amount, transactionId }) =>
      originalMessage(publishing(), { orderId, attemptId, amount }, { transactionId, correlationId: attemptId }),
    // Nothing is on its way any more when this is asked.
    delivery: { where: { isCharged: true }, writtenAt: 'createdAt', olderThanMs: 0 },
  });
