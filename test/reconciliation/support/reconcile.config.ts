import { chargePayment, orderPayments, placeOrder } from '../../../listeners/index.ts';
import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { defineConfig } from '../../../src/index.ts';

/** The worked example, with leases short enough for a test to outlive them. */
export default defineConfig({
  owner: 'order-service',
  entities: [OrderEntity],
  migrations: [Migration20260101000000Orders],
  transactionListeners: [placeOrder],
  messageListeners: [chargePayment],
  reconciliation: { sources: [orderPayments], leaseMs: 1_000, chunk: 5, concurrency: 2, rate: 1_000 },
});
