import { chargePayment as workedExample } from '../../../listeners/index.ts';
import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { type CircuitOptions, defineConfig } from '../../../src/index.ts';
import { executeIn } from '../../support/execute-in.ts';
import { shopListeners } from '../../support/publishing-listeners.ts';

const { CHECKBACK_TEST_TOPIC: topic = '', CHECKBACK_TEST_GROUP: group = '', CHECKBACK_TEST_CIRCUIT: circuit = '{}' } = process.env;
const { placeOrder, chargePayment } = shopListeners(topic, group);

/** A message is dead at its fourth delivery that was tried: without a circuit an outage of seconds would bury them all. */
const impatient: typeof chargePayment = {
  ...chargePayment,
  retry: { ...chargePayment.retry, maxDeliveries: 4, baseMs: 200, maxMs: 500 },
  async onSuccess(em, end) {
    await workedExample.onSuccess?.(em, end);
    const { payload, deliveryAttempt } = end.message as { payload: { orderId: string }; deliveryAttempt: number };
    await executeIn(em, 'insert into delivery (order_id, attempt) values (?, ?)', [payload.orderId, deliveryAttempt]);
  },
};

/** The test shop with a circuit that the test chooses. The lease is shorter than the outage. */
export default defineConfig({
  owner: 'shop',
  entities: [OrderEntity],
  migrations: [Migration20260101000000Orders],
  transactionListeners: [placeOrder],
  messageListeners: [impatient],
  worker: { leaseMs: 4_000 },
  gateway: { circuit: JSON.parse(circuit) as Partial<CircuitOptions> },
});
