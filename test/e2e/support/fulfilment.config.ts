import { fulfilOrder, fulfilPlacedOrder } from '../../../listeners/index.ts';
import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { defineConfig, defineMessageListener } from '../../../src/index.ts';
import { shopListeners } from '../../support/publishing-listeners.ts';

const { CHECKBACK_TEST_TOPIC: topic = '', CHECKBACK_TEST_GROUP: group = '', CHECKBACK_TEST_WORKER: worker = 'none' } = process.env;

/** Its address comes from the environment. It is told which worker asks. */
const institution = { url: 'http://127.0.0.1:1', headers: { 'x-worker': worker } };

/** The worked example's saga, on a topic and a group of its own; patience short, so that what a dead worker holds is free within seconds. */
export default defineConfig({
  owner: 'shop',
  entities: [OrderEntity],
  migrations: [Migration20260101000000Orders],
  transactionListeners: [shopListeners(topic, group).placeOrder],
  messageListeners: [defineMessageListener({ ...fulfilPlacedOrder, topic, group })],
  sagas: [fulfilOrder],
  origins: { warehouse: institution, bank: institution, carrier: institution },
  worker: { leaseMs: 4_000 },
  sagaRunner: { pollMs: 100, leaseMs: 2_000 },
  gateway: { closeTimeoutMs: 1_000 },
});
