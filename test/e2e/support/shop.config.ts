import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { defineConfig } from '../../../src/index.ts';
import { shopListeners } from '../../support/publishing-listeners.ts';

const { CHECKBACK_TEST_TOPIC: topic = '', CHECKBACK_TEST_GROUP: group = '' } = process.env;
const { placeOrder, chargePayment } = shopListeners(topic, group);

/** The test shop as a configuration, for processes: topic and group come from the environment, as does the rest. */
export default defineConfig({
  owner: 'shop',
  entities: [OrderEntity],
  migrations: [Migration20260101000000Orders],
  transactionListeners: [placeOrder],
  messageListeners: [chargePayment],
});
