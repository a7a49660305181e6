import { chargePayment, placeOrder } from '../../../listeners/index.ts';
import { fulfilOrder } from '../../../listeners/sagas/fulfil-order.saga.ts';
import { fulfilPlacedOrder } from '../../../listeners/sagas/fulfil-placed-order.listener.ts';
import { OrderEntity } from '../../../schema/index.ts';
import { composePublisher } from '../../../src/cli/compose.ts';
import { composeWorker } from '../../../src/cli/compose-worker.ts';
import type { LoadedConfig } from '../../../src/cli/config.ts';
import { type MockBank, startMockBank } from '../../../src/cli/mock-bank/mock-bank.ts';
import { silentLogger } from '../../../src/shared/logger.ts';
import { EmbeddedBroker } from '../../../src/testing.ts';
import { createSqlite, type TestSqlite } from '../../support/sqlite.ts';

export const ORDER = { orderId: 'o-1', customerId: 'customer-1', amountMinor: 4_711, currency: 'EUR' };

/** The worked example in this process: embedded broker, SQLite file, mock bank. */
export interface Shop {
  readonly broker: EmbeddedBroker;
  readonly home: TestSqlite;
  readonly bank: MockBank;
  readonly config: LoadedConfig;
  publisher(): Promise<Awaited<ReturnType<typeof composePublisher>>['part']>;
  worker(options?: { readonly statusCheckAfterMs?: number }): ReturnType<typeof composeWorker>;
  /** Ends everything that is open, in reverse. */
  close(): Promise<void>;
}

export async function openShop(options: { readonly saga?: boolean; readonly headers?: Record<string, string> } = {}): Promise<Shop> {
  const parts = new AsyncDisposableStack();
  const home = parts.adopt(await createSqlite(), (opened) => opened.drop());
  const broker = parts.adopt(
    await EmbeddedBroker.start({
      topics: { orders: 'TRANSACTION' },
      groups: { 'payment-workers': {}, 'payment-workers-dlq-drain': {}, 'fulfilment-workers': {}, 'fulfilment-workers-dlq-drain': {} },
      settings: {
        transactionTimeOutMs: 1_000,
        transactionCheckIntervalMs: 1_000,
        opBatchIntervalMs: 50,
        minInvisibleMs: 1_000,
        minLongPollMs: 500,
      },
    }),
    (opened) => opened.close(),
  );
  const bank = parts.adopt(await startMockBank(), (opened) => opened.close());
  const origin = { url: bank.origin, headers: options.headers ?? {} };
  const config: LoadedConfig = {
    owner: 'shop',
    endpoints: broker.endpoints,
    databaseUrl: home.url,
    entities: [OrderEntity],
    transactionListeners: [placeOrder],
    messageListeners: [options.saga ? fulfilPlacedOrder : chargePayment],
    ...(options.saga ? { sagas: [fulfilOrder], sagaRunner: { pollMs: 50 } } : {}),
    origins: { bank: origin, warehouse: origin, carrier: origin },
    statusChecks: { sweepMs: 100 },
    alertWebhook: undefined,
  };
  return {
    broker,
    home,
    bank,
    config,
    async publisher() {
      const composed = await composePublisher(config, silentLogger);
      parts.defer(() => composed.close());
      return composed.part;
    },
    async worker(given) {
      const composed = await composeWorker(config, silentLogger, given);
      parts.defer(() => composed.close(0));
      return composed;
    },
    close: () => parts.disposeAsync(),
  };
}
