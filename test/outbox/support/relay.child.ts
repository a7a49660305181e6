import { ENGINE_ENTITIES } from '../../../schema/index.ts';
import { rocketmq } from '../../../src/index.ts';
import { onOutboxEvent } from '../../../src/outbox/diagnostics.ts';
import { startOutboxRelay } from '../../../src/outbox/outbox-relay.ts';
import { outboxSender } from '../../../src/outbox/outbox-sender.ts';
import { mysqlOutboxStore } from '../../../src/store/mysql-outbox-store.ts';
import { openOrm } from '../../../src/store/open-orm.ts';

/** What it is to do, as JSON in its first argument. */
export interface RelayChild {
  readonly endpoints: string;
  readonly databaseUrl: string;
  readonly name: string;
  readonly leaseMs: number;
  readonly batch: number;
  /** Kills itself when so many are sent: the last of them is not marked. */
  readonly diesAfter?: number;
}

const { endpoints, databaseUrl, name, leaseMs, batch, diesAfter } = JSON.parse(process.argv[2]!) as RelayChild;
let sent = 0;
onOutboxEvent('sent', ({ id }) => {
  sent += 1;
  process.stdout.write(`${JSON.stringify({ sent: id })}\n`);
  // No handler runs and no statement is sent: the operating system ends us within this call.
  if (sent === diesAfter) process.kill(process.pid, 'SIGKILL');
});
const orm = await openOrm({ url: databaseUrl, entities: ENGINE_ENTITIES });
const sender = outboxSender(rocketmq({ endpoints, requestTimeoutMs: 30_000 }));
const relay = startOutboxRelay({ store: mysqlOutboxStore(orm), sender, name, leaseMs, batch, maxPollMs: 200 });
process.once('SIGTERM', () => {
  void (async () => {
    await relay.close();
    await sender.close();
    await orm.close(true);
  })();
});
