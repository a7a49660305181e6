import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { defineConfig } from '../../../src/index.ts';
import { shopListeners } from '../../support/publishing-listeners.ts';

const { CHECKBACK_TEST_TOPIC: topic = '', CHECKBACK_TEST_GROUP: group = '', CHECKBACK_TEST_BLOCK: block } = process.env;
const { placeOrder, chargePayment } = shopListeners(topic, group);

let effects = 0;
/** CHECKBACK_TEST_BLOCK=20,10000: with its 20th payment the event loop stands still for 10 s, all the others in flight. */
const blockingCharge: typeof chargePayment = {
  ...chargePayment,
  onSuccess: async (...given) => {
    const [after, forMs] = (block ?? '').split(',').map(Number);
    if (++effects === after) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
    await chargePayment.onSuccess?.(...given);
  },
};

/** The test shop as a configuration, for processes: topic and group come from the environment, as does the rest. */
export default defineConfig({
  owner: 'shop',
  entities: [OrderEntity],
  migrations: [Migration20260101000000Orders],
  transactionListeners: [placeOrder],
  messageListeners: [block === undefined ? chargePayment : blockingCharge],
  ...(block === undefined ? {} : { worker: { leaseMs: 4_000 }, gateway: { closeTimeoutMs: 2_000 } }),
});
