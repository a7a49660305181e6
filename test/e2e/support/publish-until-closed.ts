import { writeSync } from 'node:fs';
import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { type TransactionDatabase, TransactionalPublisher, mysqlTransactionDatabase, rocketmq } from '../../../src/index.ts';
import type { FencedSession } from '../../../src/transaction/transaction-database.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { anOrder, placeOrderOn } from '../../support/publishing-listeners.ts';
import { decorate } from '../../torture/decorate.ts';

/** What it is to do, as JSON in its first argument. */
export interface Traffic {
  readonly endpoints: string;
  readonly mysqlUrl: string;
  readonly topic: string;
  /** Loops that publish one order after the other. */
  readonly loops: number;
  /** Number of resolved orders after which close() is called, the others in flight; or it is called at each SIGTERM. */
  readonly closeAfter: number | 'SIGTERM';
  /** Number of the COMMIT with which the event loop stands still for `forMs`: it is sent, its answer is not read. */
  readonly block?: { readonly atCommit: number; readonly forMs: number };
  /** For a connection, a request and a local transaction. Default 30 s. */
  readonly patienceMs?: number;
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
  | { readonly kind: 'closed'; readonly inFlight: number }
  | { readonly kind: 'blocked'; readonly inFlight: number };

const report = (line: TrafficReport): void => void writeSync(1, `${JSON.stringify(line)}\n`);

const { endpoints, mysqlUrl, topic, loops, closeAfter, block, patienceMs = 30_000 } = JSON.parse(process.argv[2]!) as Traffic;
const orm = await openOrm({ url: mysqlUrl, entities: [OrderEntity], migrations: [Migration20260101000000Orders] });
const placeOrder = placeOrderOn(topic);
const publisher = await TransactionalPublisher.start({
  owner: 'shop',
  broker: rocketmq({ endpoints, requestTimeoutMs: patienceMs }),
  database: blockingDatabase(mysqlTransactionDatabase(orm)),
  listeners: [placeOrder],
  connectionTimeoutMs: patienceMs,
  transactionTimeoutMs: patienceMs,
});

let inFlight = 0;
let resolved = 0;
let closing: Promise<unknown> | undefined;

function close(): void {
  const atClose = inFlight;
  const closed = publisher.close(30_000);
  // However often it is asked, it is done once.
  closing ??= closed.then(() => report({ kind: 'closed', inFlight: atClose }));
}

function blockingDatabase(database: TransactionDatabase): TransactionDatabase {
  let commits = 0;
  const commit = (session: FencedSession): Promise<void> => {
    const answered = session.commit();
    commits += 1;
    if (block !== undefined && commits === block.atCommit) setImmediate(() => standStill(block.forMs));
    return answered;
  };
  return decorate(database, {
    withFencedSession: (transactionId, fence, timeoutMs, work) =>
      database.withFencedSession(transactionId, fence, timeoutMs, (session) => work(decorate(session, { commit: () => commit(session) }))),
  });
}

/** Nothing runs here meanwhile: no timer, no answer is read, no question is answered. */
function standStill(forMs: number): void {
  report({ kind: 'blocked', inFlight });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}

if (closeAfter === 'SIGTERM') process.on('SIGTERM', close);

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
    if (code === 'CB_CLOSED') return;
    if (code !== '') continue;
    resolved += 1;
    if (resolved === closeAfter) close();
  }
}

await Promise.all(Array.from({ length: loops }, (_, loop) => publishUntilRefused(loop)));
await closing;
await orm.close(true);
// Nothing more is done here: the process has to end by itself.
