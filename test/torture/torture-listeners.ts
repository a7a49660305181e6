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
import { type OrderPlan, type Workload, numberOf } from './workload.ts';

/** First message of every order, by whether workers have to charge it, and the second of those that have two. */
export const TOPICS = { placed: 'torture-placed', charged: 'torture-charged', billed: 'torture-billed' } as const;
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

type Kind = Pick<OrderPlan, 'strategy' | 'messages' | 'isCharged'>;

export const listenerName = ({ strategy, messages, isCharged }: Kind): string => `${strategy}-${messages}${isCharged ? '-charged' : ''}`;
export const tagsOf = ({ messages, isCharged }: Pick<Kind, 'isCharged'> & { readonly messages: number }): readonly [Tag, ...Tag[]] => {
  const first = isCharged ? 'charged' : 'placed';
  return messages === 1 ? [first] : [first, 'billed'];
};

/** Every strategy with one message and with two, and the same for orders to be charged when there are any. */
export function tortureListeners(
  { strategies, charged }: Pick<Workload, 'strategies' | 'charged'>,
  onTransaction: (transactionId: string, plan: OrderPlan) => void,
  rowLookup: RowExistsLookup<TortureOrder> = BY_TRANSACTION,
): ReadonlyMap<string, AnyTransactionListener> {
  const kinds: Kind[] = strategies.flatMap((strategy) =>
    (charged > 0 ? [false, true] : [false]).flatMap((isCharged) =>
      ([1, 2] as const).map((messages) => ({ strategy, messages, isCharged })),
    ),
  );
  const listeners = kinds.map((kind) => {
    const { strategy, messages, isCharged } = kind;
    const [evidence, half] = strategy.split('-') as ['row' | 'marker', HalfMode];
    const template = (tag: Tag) => ({
      topic: TOPICS[tag],
      tag,
      keys: ({ orderId }: TortureOrder) => [orderId],
      payload: ({ orderId, attemptId, amount }: TortureOrder) => ({ orderId, attemptId, amount }),
    });
    return defineTransactionListener<TortureOrder>({
      name: listenerName(kind),
      messages: tagsOf(kind).map(template),
      lookup: evidence === 'row' ? rowLookup : transactionMarker(),
      half,
      async execute(em, { orderId, attemptId, amount, plan }, { transactionId, signal }) {
        onTransaction(transactionId, plan);
        if (plan.executeDelayMs > 0) await sleep(plan.executeDelayMs, undefined, { signal });
        if (plan.fails === 'declines') return 'ROLLBACK';
        if (plan.isNative) {
          const values = [orderId, attemptId, transactionId, messages, amount, isCharged];
          await executeIn(
            em,
            'insert into torture_order (id, attempt_id, transaction_id, messages, amount, is_charged) values (?, ?, ?, ?, ?, ?)',
            values,
          );
        } else {
          em.create(TortureOrderEntity, { id: orderId, attemptId, transactionId, messages, amount, isCharged });
          await em.flush();
        }
        if (evidence === 'marker')
          await executeIn(em, 'update torture_stock set sold = sold + 1 where id = ?', [numberOf(orderId) % STOCK_ROWS]);
        if (plan.fails === 'throws') throw new Error(`${attemptId} fails after its rows are written`);
        return 'COMMIT';
      },
    });
  });
  return new Map(listeners.map((listener) => [listener.name, listener]));
}
