import { bankStatement, chargePayment } from '../../../listeners/index.ts';
import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { defineConfig } from '../../../src/index.ts';

/** The worked example without a broker. */
export default defineConfig({
  owner: 'order-service',
  endpoints: '127.0.0.1:1',
  entities: [OrderEntity],
  migrations: [Migration20260101000000Orders],
  messageListeners: [chargePayment],
  reconciliation: { statements: [bankStatement] },
});
