import { describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, ExternalCallEntity, Migration20260101000000Orders, OrderEntity } from '../../schema/index.ts';
import { composeChangeDataCapture } from '../../src/cli/compose-change-data-capture.ts';
import { startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { LocalTransactionError } from '../../src/errors.ts';
import { createGateway, mysqlTransactionDatabase, rocketmq, startWorker, TransactionalPublisher } from '../../src/index.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { THROWING_CUSTOMER, anOrder, shopListeners } from '../support/publishing-listeners.ts';
import { createDatabase, createGroup, createTopic, useStack } from '../support/stack.ts';
import { orderPlaced } from './support/order-placed.ts';

const PATIENCE = { timeout: 90_000, interval: 200 };
const PATIENT_MS = 30_000;

describe('changeDataCapture', () => {
  it('pays every order that committed, once, and no other; nothing but the orders themselves was written to say so', async () => {
    await using resources = new AsyncDisposableStack();
    const { endpoints } = useStack();
    const [topic, group] = await Promise.all([createTopic('NORMAL'), createGroup({ retryMaxTimes: 16 })]);
    const database = resources.adopt(await createDatabase('cdc_e2e'), (created) => created.drop());
    const orm = resources.adopt(
      await openOrm({
        url: database.url,
        entities: [...ENGINE_ENTITIES, OrderEntity],
        migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
        poolSize: 20,
      }),
      (opened) => opened.close(true),
    );
    await orm.migrator.up();
    const bank = resources.adopt(await startMockBank(), (started) => started.close());
    const { placeOrder, chargePayment } = shopListeners(topic, group);
    const gateway = resources.adopt(createGateway({ origins: { bank: bank.origin }, store: mysqlExternalCallStore(orm) }), (made) =>
      made.close(),
    );
    const consumer = resources.adopt(
      await rocketmq({ endpoints, requestTimeoutMs: PATIENT_MS }).startConsumer({ topic, group, longPollMs: 5_000 }),
      (started) => started.close(),
    );
    const worker = startWorker({ consumers: [{ listener: chargePayment, consumer }], gateway });
    resources.defer(async () => void (await worker.close()));
    const carrier = resources.adopt(
      composeChangeDataCapture(
        { owner: 'shop', endpoints, changeDataCapture: { rowMessages: [orderPlaced(placeOrder)], from: 'now' } },
        orm,
        silentLogger,
      ),
      (composed) => composed.close(),
    );
    const publisher = resources.adopt(
      await TransactionalPublisher.start({
        owner: 'shop',
        ...carrier.part,
        database: mysqlTransactionDatabase(orm),
        listeners: [placeOrder],
        connectionTimeoutMs: PATIENT_MS,
      }),
      (started) => started.close(),
    );
    const ids = Array.from({ length: 60 }, (_, index) => `order-${index}`);
    const isFailing = (id: string): boolean => Number(id.slice(6)) % 6 === 5;
    const rejected: unknown[] = [];
    for (const id of ids)
      await publisher
        .publish(placeOrder, anOrder(id, isFailing(id) ? { customerId: THROWING_CUSTOMER } : {}))
        .catch((error: unknown) => rejected.push(error));
    expect(rejected).toHaveLength(10);
    expect(rejected.every((error) => error instanceof LocalTransactionError)).toBe(true);
    const committed = ids.filter((id) => !isFailing(id)).toSorted();

    await expect.poll(() => orm.em.fork().count(OrderEntity, { status: 'PAID' }), PATIENCE).toBe(committed.length);
    const em = orm.em.fork();
    const calls = await em.find(ExternalCallEntity, {}, { orderBy: { idempotencyKey: 'asc' } });
    expect(calls.map(({ idempotencyKey }) => idempotencyKey)).toEqual(committed);
    expect(calls.every(({ status }) => status === 'SUCCESS')).toBe(true);
    const [{ n } = { n: -1 }] = await orm.em.getConnection().execute<{ n: number }[]>('select count(*) as n from outbox_message');
    expect(n).toBe(0);
  });
});
