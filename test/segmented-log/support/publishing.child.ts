import { OrderEntity } from '../../../schema/index.ts';
import { segmentedLog } from '../../../src/segmented-log/segmented-log.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { ENGINE_ENTITIES } from '../../../schema/index.ts';
import { sqliteTransactionDatabase } from '../../../src/store/sqlite-transaction-database.ts';
import { TransactionalPublisher } from '../../../src/transaction/transactional-publisher.ts';
import { anOrder, placeOrderOn } from '../../support/publishing-listeners.ts';

/** Publishes two orders and is killed right before the second's message would be appended. Arguments: directory, database. */
const [directory, url] = process.argv.slice(2) as [string, string];
const log = segmentedLog({ directory, onAppendFailure: 'report' });
const orm = await openOrm({ url, entities: [OrderEntity, ...ENGINE_ENTITIES] });
const placeOrder = placeOrderOn('orders');
let appends = 0;
const publisher = await TransactionalPublisher.start({
  owner: 'shop',
  log: {
    ...log,
    append: async (messages) => {
      appends += 1;
      if (appends === 2) process.kill(process.pid, 'SIGKILL');
      await log.append(messages);
    },
  },
  database: sqliteTransactionDatabase(orm),
  listeners: [placeOrder],
});
await publisher.publish(placeOrder, anOrder('kept'));
await publisher.publish(placeOrder, anOrder('lost'));
