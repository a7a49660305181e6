import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { TransactionalPublisher, mysqlTransactionDatabase, onTransactionEvent, rocketmq } from '../../../src/index.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { anOrder, placeOrderOn } from '../../support/publishing-listeners.ts';

/** When it kills itself. */
export type Doom = 'before BEGIN' | 'with its row inserted' | 'between COMMIT and END';

/** What it is to do, as JSON in its first argument. */
export interface DoomedOrder {
  readonly doom: Doom;
  readonly orderId: string;
  readonly endpoints: string;
  readonly mysqlUrl: string;
  readonly topic: string;
}

const { doom, orderId, endpoints, mysqlUrl, topic } = JSON.parse(process.argv[2]!) as DoomedOrder;
// No handler runs and no buffer is flushed: the operating system ends us within this call.
const die = (at: Doom): void => void (at === doom && process.kill(process.pid, 'SIGKILL'));

onTransactionEvent('half-sent', () => die('before BEGIN'));
onTransactionEvent('committed', () => die('between COMMIT and END'));
const placeOrder = placeOrderOn(topic, (execute) => async (em, order, context) => {
  const decision = await execute(em, order, context);
  await em.flush();
  die('with its row inserted');
  return decision;
});

const orm = await openOrm({ url: mysqlUrl, entities: [OrderEntity], migrations: [Migration20260101000000Orders] });
const publisher = await TransactionalPublisher.start({
  owner: 'shop',
  broker: rocketmq({ endpoints, requestTimeoutMs: 30_000 }),
  database: mysqlTransactionDatabase(orm),
  listeners: [placeOrder],
});
await publisher.publish(placeOrder, anOrder(orderId), { correlationId: orderId });
throw new Error(`it survived ${doom}`);
