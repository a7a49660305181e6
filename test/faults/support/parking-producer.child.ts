/**
 * A producer whose orders stop where they are told to, to be killed or stopped there. Takes orders as JSON lines on its
 * standard input, says on its standard output where each of them is, and answers check-backs meanwhile.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { MikroORM } from '@mikro-orm/mysql';
import { OrderEntity, TransactionMarkerEntity } from '../../../schema/index.ts';
import {
  type TransactionDatabase,
  TransactionalPublisher,
  type TransactionalBroker,
  mysqlTransactionDatabase,
  onTransactionEvent,
  rocketmq,
} from '../../../src/index.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { anOrder } from '../../support/publishing-listeners.ts';
import { decorate } from '../../torture/decorate.ts';
import { STRATEGIES, orderListener } from './strategies.ts';

/** Where an order can be stopped from inside its process. */
export type ParkingPlace =
  | 'half message leaving'
  | 'half message stored'
  | 'before INSERT'
  | 'before COMMIT is sent'
  | 'before END is sent'
  | 'after END';

/** What it is started with, as JSON in its first argument. */
export interface ParkingProducer {
  readonly endpoints: string;
  readonly mysqlUrl: string;
  readonly topic: string;
  readonly poolSize: number;
  readonly transactionTimeoutMs: number;
}

/** A line on standard input. */
export type ParkingCommand =
  | { readonly kind: 'publish'; readonly orderId: string; readonly strategy: string; readonly place?: ParkingPlace | undefined }
  /** Every order goes on from where it is. */
  | { readonly kind: 'release' };

/** A line on standard output. */
export type ParkingReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'parked' | 'stored'; readonly orderId: string }
  | { readonly kind: 'checked'; readonly orderId: string; readonly resolution: string }
  | { readonly kind: 'outcome'; readonly orderId: string; readonly code: string };

// Written at once and by this thread: what was said stays said when the process is killed a moment later.
const report = (line: ParkingReport): void => void writeSync(1, `${JSON.stringify(line)}\n`);
const { endpoints, mysqlUrl, topic, poolSize, transactionTimeoutMs } = JSON.parse(process.argv[2]!) as ParkingProducer;
const released = Promise.withResolvers<void>();
const places = new Map<string, ParkingPlace>();
const orderOf = new Map<string, string>();

async function arrive(orderId: string, place: ParkingPlace): Promise<void> {
  if (places.get(orderId) !== place) return;
  report({ kind: 'parked', orderId });
  await released.promise;
}

function parkingBroker(broker: TransactionalBroker): TransactionalBroker {
  return {
    async startTransactionalProducer(options) {
      const producer = await broker.startTransactionalProducer(options);
      return {
        close: (deadlineMs) => producer.close(deadlineMs),
        sendHalf: async (message) => {
          const orderId = message.keys[0]!;
          await arrive(orderId, 'half message leaving');
          const half = await producer.sendHalf(message);
          report({ kind: 'stored', orderId });
          await arrive(orderId, 'half message stored');
          return {
            messageId: half.messageId,
            end: async (resolution) => {
              await arrive(orderId, 'before END is sent');
              await half.end(resolution);
              await arrive(orderId, 'after END');
            },
          };
        },
      };
    },
  };
}

function parkingDatabase(database: TransactionDatabase): TransactionDatabase {
  return decorate(database, {
    withFencedSession: (transactionId, fence, timeoutMs, work) =>
      database.withFencedSession(transactionId, fence, timeoutMs, (session) =>
        work(
          decorate(session, {
            commit: async () => {
              await arrive(orderOf.get(transactionId) ?? '', 'before COMMIT is sent');
              await session.commit();
            },
          }),
        ),
      ),
  });
}

onTransactionEvent('checked', ({ correlationId, resolution }) => report({ kind: 'checked', orderId: correlationId, resolution }));
const listeners = new Map(
  STRATEGIES.map((strategy) => [
    strategy.name,
    orderListener(topic, strategy, (execute) => async (em, order, context) => {
      orderOf.set(context.transactionId, order.orderId);
      await arrive(order.orderId, 'before INSERT');
      return execute(em, order, context);
    }),
  ]),
);
const orm: MikroORM = await openOrm({ url: mysqlUrl, entities: [OrderEntity, TransactionMarkerEntity], migrations: [], poolSize });
const publisher = await TransactionalPublisher.start({
  owner: 'shop',
  broker: parkingBroker(rocketmq({ endpoints, requestTimeoutMs: 30_000 })),
  database: parkingDatabase(mysqlTransactionDatabase(orm)),
  listeners: [...listeners.values()],
  connectionTimeoutMs: 120_000,
  transactionTimeoutMs,
});
report({ kind: 'ready' });

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as ParkingCommand;
  if (command.kind === 'release') {
    released.resolve();
    continue;
  }
  const { orderId, strategy, place } = command;
  if (place !== undefined) places.set(orderId, place);
  void publisher.publish(listeners.get(strategy)!, anOrder(orderId), { correlationId: orderId }).then(
    () => report({ kind: 'outcome', orderId, code: 'committed' }),
    (error: Error & { code?: string }) => report({ kind: 'outcome', orderId, code: error.code ?? String(error) }),
  );
}
// Its input ends with the test, however that ends.
process.exit(0);
