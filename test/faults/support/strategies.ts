import { type PlaceOrder, placeOrder } from '../../../listeners/index.ts';
import { OrderEntity } from '../../../schema/index.ts';
import {
  type HalfMode,
  type Lookup,
  type TransactionListener,
  defineTransactionListener,
  rowExists,
  transactionMarker,
} from '../../../src/index.ts';

type Execute = NonNullable<TransactionListener<PlaceOrder>['execute']>;

/** A look-up, and when the half message leaves. */
export interface Strategy {
  readonly name: string;
  readonly lookup: Lookup<PlaceOrder>;
  readonly half: HalfMode;
}

const byRow = rowExists<PlaceOrder>(OrderEntity, ({ transactionId }) => ({ transactionId }));

export const ROW_FIRST: Strategy = { name: 'rowExists-first', lookup: byRow, half: 'first' };
export const ROW_OVERLAPPED: Strategy = { name: 'rowExists-overlapped', lookup: byRow, half: 'overlapped' };
export const ROW_BEFORE_COMMIT: Strategy = { name: 'rowExists-beforeCommit', lookup: byRow, half: 'beforeCommit' };
export const MARKER_FIRST: Strategy = { name: 'marker-first', lookup: transactionMarker(), half: 'first' };
export const MARKER_BEFORE_COMMIT: Strategy = { name: 'marker-beforeCommit', lookup: transactionMarker(), half: 'beforeCommit' };

/** Every fence with every mode that changes something about it. */
export const STRATEGIES: readonly Strategy[] = [ROW_FIRST, ROW_OVERLAPPED, ROW_BEFORE_COMMIT, MARKER_FIRST, MARKER_BEFORE_COMMIT];

/** The worked example's `placeOrder` on another topic, under another strategy, with another `execute` around its own. */
export function orderListener(
  topic: string,
  { name, lookup, half }: Strategy,
  wrap: (execute: Execute) => Execute = (execute) => execute,
): TransactionListener<PlaceOrder> {
  return defineTransactionListener<PlaceOrder>({
    name,
    topic,
    tag: 'placed',
    keys: (order) => [order.orderId],
    lookup,
    half,
    execute: wrap(placeOrder.execute!),
  });
}
