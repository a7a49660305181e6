import { bankStatement, chargePayment, orderPayments, placeOrder } from './listeners/index.ts';
import { Migration20260101000000Orders, OrderEntity } from './schema/index.ts';
import { defineConfig } from './src/index.ts';

/** The worked example: order → bank payment. Broker, database and the bank's address come from the environment. */
export default defineConfig({
  owner: 'order-service',
  entities: [OrderEntity],
  migrations: [Migration20260101000000Orders],
  transactionListeners: [placeOrder],
  messageListeners: [chargePayment],
  reconciliation: { sources: [orderPayments], statements: [bankStatement] },
  statusChecks: { timerTopic: 'status-checks' },
});
