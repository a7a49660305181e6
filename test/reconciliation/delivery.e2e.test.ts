import { afterAll, beforeAll, expect, describe, it, vi } from 'vitest';
import { randomUUID } from 'node:crypto';
import { orderPayments } from '../../listeners/reconciliation/order-payments.source.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, Migration20260101000000Orders, type Order, OrderEntity } from '../../schema/index.ts';
import { composeWorker } from '../../src/cli/compose-worker.ts';
import type { LoadedConfig } from '../../src/cli/config.ts';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { defineMessageSource } from '../../src/reconciliation/message-source.ts';
import { originalMessage } from '../../src/reconciliation/original-message.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { shopListeners } from '../support/publishing-listeners.ts';
import { createDatabase, createGroup, createTopic, type TestDatabase, useStack } from '../support/stack.ts';

describe('Deliveries reconciled by a pool of workers', () => {
  let home: TestDatabase;
  let bank: MockBank;
  beforeAll(async () => {
    home = await createDatabase('delivery');
    bank = await startMockBank();
  });
  afterAll(async () => {
    await bank?.close();
    await home?.drop();
  });

  it('an order whose message never came is published into its TRANSACTION topic by one worker, and charged once', async () => {
    const [topic, group] = await Promise.all([createTopic('TRANSACTION'), createGroup()]);
    const { placeOrder, chargePayment } = shopListeners(topic, group);
    const entities = [OrderEntity];
    const migrations = [Migration20260101000000Orders];
    const source = defineMessageSource<Order>({
      ...orderPayments,
      listener: chargePayment,
      messageOf: ({ id, transactionId, customerId, amountMinor, currency }) =>
        originalMessage(placeOrder, { orderId: id, customerId, amountMinor: Number(amountMinor), currency }, { transactionId }),
      delivery: { where: { status: 'PLACED' }, writtenAt: 'createdAt' },
    });
    const config: LoadedConfig = {
      owner: 'shop',
      endpoints: useStack().endpoints,
      databaseUrl: home.url,
      origins: { bank: bank.origin },
      alertWebhook: undefined,
      entities,
      migrations,
      transactionListeners: [placeOrder],
      messageListeners: [chargePayment],
      reconciliation: { sources: [source], schedule: { delivery: '* * * * * *', open: '* * * * * *' } },
    };
    const orm = await openOrm({
      url: home.url,
      entities: [...ENGINE_ENTITIES, ...entities],
      migrations: [...ENGINE_MIGRATIONS, ...migrations],
    });
    await orm.migrator.up();
    const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
    const ids = ['lost-1', 'lost-2', 'lost-3'];
    for (const id of ids) {
      await execute("insert into orders values (?, ?, 'c1', 4200, 'EUR', 'PLACED', utc_timestamp(3) - interval 1 hour)", [
        id,
        randomUUID(),
      ]);
    }
    const workers = await Promise.all([1, 2].map(() => composeWorker(config, silentLogger)));
    try {
      await vi.waitFor(
        async () => expect((await execute("select id from orders where status = 'PAID'")).map(({ id }) => id)).toEqual(ids),
        { timeout: 60_000, interval: 200 },
      );
      const runs = async () => execute("select tick, status from reconciliation_run where kind = 'delivery' order by id");
      const before = (await runs()).length;
      await vi.waitFor(async () => expect((await runs()).length).toBeGreaterThan(before + 2), { timeout: 30_000, interval: 200 });
    } finally {
      await Promise.all(workers.map((worker) => worker.close(10_000)));
    }
    expect(Object.fromEntries(bank.effects)).toEqual({ 'lost-1': 1, 'lost-2': 1, 'lost-3': 1 });
    const published = await execute(
      "select idempotency_key as id, count(*) as n from reconciliation_item where verdict = 'REPUBLISHED' group by 1 order by 1",
    );
    expect(published).toEqual(ids.map((id) => ({ id, n: 1 })));
    const ticks = (await execute('select kind, tick, status from reconciliation_run')).map(
      ({ kind, tick, status }) => `${String(kind)} ${String(tick)} ${String(status)}`,
    );
    expect(ticks).toHaveLength(new Set(ticks).size);
    await orm.close(true);
  });
});
