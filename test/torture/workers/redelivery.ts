import { pino } from 'pino';
import { ENGINE_ENTITIES } from '../../../schema/index.ts';
import { rocketmq } from '../../../src/broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../../../src/broker/rocketmq/topic-type.ts';
import { openReplaySender } from '../../../src/dead-letter/replay-sender.ts';
import { reconcileDelivery } from '../../../src/reconciliation/reconcile-delivery.ts';
import { paced } from '../../../src/shared/pace.ts';
import { mysqlDeliveryStore } from '../../../src/store/mysql-delivery-store.ts';
import { mysqlReconciliationRunStore } from '../../../src/store/mysql-reconciliation-run-store.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { encodeHalfMessage } from '../../../src/transaction/half-message.ts';
import { decodeMessage } from '../../../src/worker/decode-message.ts';
import { TortureOrderEntity } from '../torture-tables.ts';
import { orderSource } from './order-source.ts';
import type { WorkerSettings } from './worker-reports.ts';

/**
 * `checkback reconcile delivery`, as a pool runs it by cron: publishes again what the rows promised and no call came of. Returns how many that were. A
 * broker of 5.4.0 forgets a message for a group when it hands it back in the very millisecond in which it popped it for a consumer that is gone.
 */
export async function redeliver(
  { endpoints, mysqlUrl, isSteady }: Pick<WorkerSettings, 'endpoints' | 'mysqlUrl' | 'isSteady'>,
  signal: AbortSignal,
): Promise<number> {
  const options = { endpoints, logger: pino({ level: 'silent' }) };
  await using resources = new AsyncDisposableStack();
  const orm = resources.adopt(await openOrm({ url: mysqlUrl, entities: [...ENGINE_ENTITIES, TortureOrderEntity] }), (open) =>
    open.close(true),
  );
  const broker = { ...rocketmq(options), topicType: (topic: string) => rocketmqTopicType(options, topic) };
  const sender = resources.adopt(openReplaySender(broker), (open) => open.close());
  let published = 0;
  const context = {
    runs: mysqlReconciliationRunStore(orm),
    deliveries: mysqlDeliveryStore(orm),
    parts: { encodeHalfMessage, decodeMessage, owner: 'shop' },
    send: async (message: Parameters<typeof sender.send>[0]) => {
      await sender.send(message);
      published += 1;
    },
    turn: paced(50),
  };
  await reconcileDelivery(orderSource({ isSteady }), {}, context, signal);
  return published;
}
