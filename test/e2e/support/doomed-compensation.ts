import { ENGINE_ENTITIES, OrderEntity } from '../../../schema/index.ts';
import { type HalfMode, TransactionalPublisher, mysqlTransactionDatabase, onTransactionEvent, rocketmq } from '../../../src/index.ts';
import { compensateByPublishing } from '../../../src/saga/compensate-by-publishing.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { recordFailure, refundOn } from './refund-orders.ts';

/** When it kills itself. */
export type Doom = 'with the half sent' | 'with the failure written' | 'between COMMIT and END';

/** What it is to do, as JSON in its first argument. */
export interface DoomedCompensation {
  readonly doom: Doom;
  readonly half: HalfMode;
  readonly orderId: string;
  readonly endpoints: string;
  readonly mysqlUrl: string;
  readonly topic: string;
}

const { doom, half, orderId, endpoints, mysqlUrl, topic } = JSON.parse(process.argv[2]!) as DoomedCompensation;
const die = (at: Doom): void => void (at === doom && process.kill(process.pid, 'SIGKILL'));
onTransactionEvent('half-sent', () => die('with the half sent'));
onTransactionEvent('committed', () => die('between COMMIT and END'));

const refund = refundOn(topic, half);
const publisher = await TransactionalPublisher.start({
  owner: 'shop',
  broker: rocketmq({ endpoints, requestTimeoutMs: 30_000 }),
  database: mysqlTransactionDatabase(await openOrm({ url: mysqlUrl, entities: [...ENGINE_ENTITIES, OrderEntity] })),
  listeners: [refund],
});
const inTransaction = compensateByPublishing(publisher, refund, { orderId }, { correlationId: orderId });
await inTransaction(recordFailure(orderId, () => die('with the failure written')));
throw new Error(`it survived ${doom}`);
