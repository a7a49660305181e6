import { type PlaceOrder, chargeAtBank, chargePayment as workedExample } from '../../../listeners/index.ts';
import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import {
  type CallAnswer,
  compensateFailures,
  compensationListener,
  defineConfig,
  defineExternalCall,
  defineMessageListener,
  defineTransactionListener,
  onTransactionEvent,
} from '../../../src/index.ts';
import { executeIn } from '../../support/execute-in.ts';
import { shopListeners } from '../../support/publishing-listeners.ts';

const {
  CHECKBACK_TEST_TOPIC: topic = '',
  CHECKBACK_TEST_GROUP: group = '',
  CHECKBACK_TEST_REFUNDS: refunds = '',
  CHECKBACK_TEST_REFUND_GROUP: refundGroup = '',
  CHECKBACK_TEST_DOOM: doom,
} = process.env;

interface Refund {
  readonly orderId: string;
}

// No handler runs and no buffer is flushed: the operating system ends us within this call.
if (doom === 'half-sent' || doom === 'committed') onTransactionEvent(doom, () => process.kill(process.pid, 'SIGKILL'));

const { statusCheck } = chargeAtBank;

/** The worked example's payment, asked after soon and not for long. */
const charge = defineExternalCall({
  name: 'charge-payment',
  origin: 'bank',
  method: 'POST',
  path: '/payments',
  body: (order: { orderId: string; amountMinor: number; currency: string }) => order,
  timeouts: { connectMs: 2_000, readMs: 2_000, totalMs: 4_000 },
  statusCheck: {
    path: statusCheck!.path,
    interpret: (answer: CallAnswer) => statusCheck!.interpret(answer),
    afterMs: 300,
    maxDelayMs: 1_000,
    maxAgeMs: 3_000,
  },
});

const chargePayment = defineMessageListener<PlaceOrder, { orderId: string; amountMinor: number; currency: string }>({
  ...workedExample,
  topic,
  group,
  call: charge,
  async onFail(em, end) {
    await workedExample.onFail?.(em, end);
    await executeIn(em, 'insert into rejection (order_id) values (?)', [end.message.payload.orderId]);
  },
});

const publishRefund = defineTransactionListener(
  compensationListener<Refund>({ name: 'refund-order', topic: refunds, tag: 'refund', keys: ({ orderId }) => [orderId] }),
);

const keepRefund = defineMessageListener<Refund>({
  name: 'keep-refund',
  topic: refunds,
  tag: 'refund',
  group: refundGroup,
  idempotencyKey: ({ payload }) => payload.orderId,
  handle: async (em, { payload }) => void (await executeIn(em, 'insert into refund (order_id) values (?)', [payload.orderId])),
});

/** A refused payment publishes a refund, which another listener keeps. */
export default defineConfig({
  owner: 'shop',
  entities: [OrderEntity],
  migrations: [Migration20260101000000Orders],
  transactionListeners: [shopListeners(topic, group).placeOrder],
  // What is to die polls for no refund: the proxy would give one to the long poll of a dead process.
  messageListeners: doom === undefined ? [chargePayment, keepRefund] : [chargePayment],
  compensations: [compensateFailures(chargePayment, publishRefund, ({ message }) => ({ orderId: message.payload.orderId }))],
  worker: { leaseMs: 2_000 },
  statusChecks: { sweepMs: 500, leaseMs: 10_000 },
  gateway: { closeTimeoutMs: 2_000 },
});
