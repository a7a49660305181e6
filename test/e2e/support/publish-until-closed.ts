import { writeSync } from 'node:fs';
import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { TransactionalPublisher, mysqlTransactionDatabase, rocketmq } from '../../../src/index.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { anOrder, placeOrderOn } from '../../support/publishing-listeners.ts';

/** What it is to do, as JSON in its first argument. */
export interface Traffic {
  readonly endpoints: string;
  readonly mysqlUrl: string;
  readonly topic: string;
  /** Loops that publish one order after the other. */
  readonly loops: number;
  /** Number of resolved orders after which close() is called, the others in flight. */
  readonly closeAfter: number;
}

/** A line on standard output. */
export type TrafficReport =
  | {
      readonly kind: 'resolved' | 'rejected';
      readonly orderId: string;
      readonly code: string;
      /** Whether close() had been called by then. */
      readonly closing: boolean;
    }
  | { readonly kind: 'closed'; readonly inFlight: number };

const report = (line: TrafficReport): void => void writeSync(1, `${JSON.stringify(line)}\n`);

const { endpoints, mysqlUrl, topic, loops, closeAfter } = JSON.parse(process.argv[2]!) as Traffic;
const orm = await openOrm({ url: mysqlUrl, entities: [OrderEntity], migrations: [Migration20260101000000Orders] });
const placeOrder = placeOrderOn(topic);
const publisher = await TransactionalPublisher.start({
  owner: 'shop',
  broker: rocketmq({ endpoints, requestTimeoutMs: 30_000 }),
  database: mysqlTransactionDatabase(orm),
  listeners: [placeOrder],
  connectionTimeoutMs: 30_000,
});

let inFlight = 0;
let resolved = 0;
let closing: Promise<void> | undefined;

async function publishUntilRefused(loop: number): Promise<void> {
  for (let serial = 0; ; serial += 1) {
    const orderId = `order-${loop}-${serial}`;
    inFlight += 1;
    const code = await publisher.publish(placeOrder, anOrder(orderId)).then(
      () => '',
      (error: Error & { code?: string }) => error.code ?? error.message,
    );
    inFlight -= 1;
    report({ kind: code === '' ? 'resolved' : 'rejected', orderId, code, closing: closing !== undefined });
    if (code !== '') return;
    if (++resolved === closeAfter) {
      const atClose = inFlight;
      closing = publisher.close(30_000).then(() => report({ kind: 'closed', inFlight: atClose }));
    }
  }
}

await Promise.all(Array.from({ length: loops }, (_, loop) => publishUntilRefused(loop)));
await closing;
await orm.close(true);
// Nothing more is done here: the process has to end by itself.
