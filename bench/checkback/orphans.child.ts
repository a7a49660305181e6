// A service that is killed: it stores half messages and the rows of every second one, and sends no END. Argument: JSON of `OrphansRun`.
import { createPool } from 'mysql2/promise';
import { v7 as uuidV7 } from 'uuid';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { encodeHalfMessage } from '../../src/transaction/half-message.ts';
import { serveLoad } from '../load/serve-load.ts';
import { INSERT_ORDER, nextOrder } from '../publish/orders.ts';
import { listenerName, OWNER } from './owner.ts';

export interface OrphansRun {
  readonly databaseUrl: string;
  readonly endpoints: string;
  readonly topic: string;
}

const { databaseUrl, endpoints, topic } = JSON.parse(process.argv[2] ?? '{}') as OrphansRun;
const pool = createPool({ uri: databaseUrl, connectionLimit: 32, timezone: 'Z' });
const producer = await rocketmq({ endpoints }).startTransactionalProducer({ topics: [topic], checkBack: async () => 'UNKNOWN' });
let nth = 0;

await serveLoad({
  order: async () => {
    nth += 1;
    const isCommitted = nth % 2 === 0;
    const order = nextOrder();
    const transactionId = uuidV7();
    const content = { topic, tag: 'placed', keys: [order.orderId], payload: order };
    const identity = {
      owner: OWNER,
      listener: listenerName(topic),
      transactionId,
      correlationId: transactionId,
      lookup: 'rowExists',
    } as const;
    await producer.sendHalf(encodeHalfMessage(content, identity));
    if (!isCommitted) return;
    const { orderId, customerId, amountMinor, currency } = order;
    await pool.query(INSERT_ORDER, [orderId, transactionId, customerId, amountMinor, currency, 'PLACED', new Date()]);
  },
  settle: async () => {},
  close: async () => {
    await producer.close();
    await pool.end();
  },
});
