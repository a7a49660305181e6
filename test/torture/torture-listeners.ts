import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AnyTransactionListener,
  type HalfMode,
  type RowExistsLookup,
  defineTransactionListener,
  rowExists,
  transactionMarker,
} from '../../src/index.ts';
import { executeIn } from '../support/execute-in.ts';
import { STOCK_ROWS, TortureOrderEntity } from './torture-tables.ts';
import { type OrderPlan, type Strategy, numberOf } from './workload.ts';

/** First message of every order, and the second of those that have two. */
export const TOPICS = { placed: 'torture-placed', billed: 'torture-billed' } as const;
export type Tag = keyof typeof TOPICS;

/** Input of a torture order, and payload of its messages. */
export interface TortureOrder {
  readonly orderId: string;
  readonly attemptId: string;
  readonly amount: number;
  readonly plan: OrderPlan;
}

/** Finds the row by the transaction that wrote it, as it should be. */
const BY_TRANSACTION = rowExists<TortureOrder>(TortureOrderEntity, ({ transactionId }) => ({ transactionId }));

export const listenerName = (strategy: Strategy, messages: number): string => `${strategy}-${messages}`;

/** Every strategy with one message and with two. */
export function tortureListeners(
  strategies: readonly Strategy[],
  onTransaction: (transactionId: string, plan: OrderPlan) => void,
  rowLookup: RowExistsLookup<TortureOrder> = BY_TRANSACTION,
): ReadonlyMap<string, AnyTransactionListener> {
  const listeners = strategies.flatMap((strategy) =>
    ([1, 2] as const).map((messages) => {
      const [evidence, half] = strategy.split('-') as ['row' | 'marker', HalfMode];
      const template = (tag: Tag) => ({
        topic: TOPICS[tag],
        tag,
        keys: ({ orderId }: TortureOrder) => [orderId],
        payload: ({ orderId, attemptId, amount }: TortureOrder) => ({ orderId, attemptId, amount }),
      });
      return defineTransactionListener<TortureOrder>({
        name: listenerName(strategy, messages),
        messages: messages === 1 ? [template('placed')] : [template('placed'), template('billed')],
        lookup: evidence === 'row' ? rowLookup : transactionMarker(),
        half,
        async execute(em, { orderId, attemptId, amount, plan }, { transactionId, signal }) {
          onTransaction(transactionId, plan);
          if (plan.executeDelayMs > 0) await sleep(plan.executeDelayMs, undefined, { signal });
          if (plan.fails === 'declines') return 'ROLLBACK';
          if (plan.isNative) {
            const values = [orderId, attemptId, transactionId, messages, amount];
            await executeIn(
              em,
              'insert into torture_order (id, attempt_id, transaction_id, messages, amount) values (?, ?, ?, ?, ?)',
              values,
            );
          } else {
            em.create(TortureOrderEntity, { id: orderId, attemptId, transactionId, messages, amount });
            await em.flush();
          }
          if (evidence === 'marker')
            await executeIn(em, 'update torture_stock set sold = sold + 1 where id = ?', [numberOf(orderId) % STOCK_ROWS]);
          if (plan.fails === 'throws') throw new Error(`${attemptId} fails after its rows are written`);
          return 'COMMIT';
        },
      });
    }),
  );
  return new Map(listeners.map((listener) => [listener.name, listener]));
}
