import { ENGINE_ENTITIES, OrderEntity } from '../../../schema/index.ts';
import { mysqlChangeDataCapture } from '../../../src/store/mysql-change-data-capture.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { placeOrderOn } from '../../support/publishing-listeners.ts';
import { orderPlaced } from './order-placed.ts';

/** What it is to do, as JSON in its first argument. */
export interface ReaderChild {
  readonly databaseUrl: string;
  readonly name: string;
  /** Kills itself when so many are sent: their position is not written down. */
  readonly diesAfter?: number;
}

const { databaseUrl, name, diesAfter } = JSON.parse(process.argv[2]!) as ReaderChild;
let sent = 0;
const orm = await openOrm({ url: databaseUrl, entities: [...ENGINE_ENTITIES, OrderEntity] });
const capture = mysqlChangeDataCapture({
  orm,
  owner: 'shop',
  name,
  from: 'now',
  standbyMs: 50,
  rowMessages: [orderPlaced(placeOrderOn('orders'))],
  sender: {
    async send(message) {
      sent += 1;
      process.stdout.write(`${JSON.stringify({ sent: message.keys[0] })}\n`);
      // No handler runs and no statement is sent: the operating system ends us within this call.
      if (sent === diesAfter) process.kill(process.pid, 'SIGKILL');
      return { messageId: `m${sent}` };
    },
    close: async () => {},
  },
});
process.once('SIGTERM', () => void capture.close().then(() => orm.close(true)));
await capture.start([]);
