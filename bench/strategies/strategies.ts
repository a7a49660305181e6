import type { CarrierConfig } from '../../src/cli/compose-carrier.ts';
import type { TopicType } from '../../src/cli/stack/rocketmq-admin.ts';
import { mysqlOutboxStore } from '../../src/store/mysql-outbox-store.ts';
import { defineRowMessage } from '../../src/change-data-capture/row-message.ts';
import { OrderEntity } from '../../schema/index.ts';
import type { TransactionListener } from '../../src/transaction/transaction-listener.ts';
import { type BenchOrder, openOrderTables } from '../publish/orders.ts';

/** A strategy as a configuration chooses it. */
export interface StrategyVariant {
  readonly topicType: TopicType;
  /** What the configuration says besides addresses. `directory` is empty, and the process's own. */
  readonly config: (place: {
    readonly directory: string;
    readonly listener: TransactionListener<BenchOrder>;
  }) => Omit<CarrierConfig, 'endpoints' | 'owner'>;
  /** Opens what removes the traces of delivered orders, where the strategy would do so only hours later. */
  readonly cleanUp?: (databaseUrl: string) => Promise<CleanUp>;
}

/** Opened once, so that a round pays for the removal alone. */
export interface CleanUp {
  run(): Promise<void>;
  close(): Promise<void>;
}

/** Every strategy by its name: one line each. */
export const STRATEGIES = {
  halfMessage: { topicType: 'TRANSACTION', config: () => ({ strategy: 'halfMessage' }) },
  pollingOutbox: { topicType: 'NORMAL', config: () => ({ strategy: 'pollingOutbox' }), cleanUp: deleteSentMessages },
  changeDataCapture: {
    topicType: 'NORMAL',
    config: ({ listener }) => ({
      strategy: 'changeDataCapture',
      changeDataCapture: { rowMessages: [rowMessageOf(listener)], from: 'now' },
    }),
  },
  localSegmentedOutbox: {
    topicType: 'NORMAL',
    config: ({ directory }) => ({ strategy: 'localSegmentedOutbox', segmentedLog: { directory, onAppendFailure: 'report' } }),
  },
} as const satisfies Record<string, StrategyVariant>;

export type StrategyName = keyof typeof STRATEGIES;

const rowMessageOf = (listener: TransactionListener<BenchOrder>) =>
  defineRowMessage({
    listener,
    entity: OrderEntity,
    inputOf: ({ id: orderId, customerId, amountMinor, currency }): BenchOrder => ({
      orderId,
      customerId,
      amountMinor: Number(amountMinor),
      currency,
    }),
    idsOf: ({ transactionId }) => ({ transactionId }),
  });

const LATER_S = 7_200;

/** What the relay does an hour later, by a session whose clock is ahead. */
async function deleteSentMessages(databaseUrl: string): Promise<CleanUp> {
  const orm = await openOrderTables(databaseUrl, 1);
  await orm.em.getConnection().execute(`set session timestamp = unix_timestamp() + ${LATER_S}`);
  const store = mysqlOutboxStore(orm);
  return {
    run: async () => {
      while ((await store.deleteKept(1_000)) > 0);
    },
    close: () => orm.close(true),
  };
}
