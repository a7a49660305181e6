import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chargePayment, orderPayments } from '../../listeners/index.ts';
import { OrderEntity } from '../../schema/index.ts';
import { composeReconciliation } from '../../src/cli/compose-reconciliation.ts';
import { reconcileDelivery } from '../../src/reconciliation/reconcile-delivery.ts';
import { previewOpenCalls } from '../../src/reconciliation/preview-open-calls.ts';
import { reconcileOpenCalls } from '../../src/reconciliation/reconcile-open-calls.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';
import { readAll } from './support/read-all.ts';

describe('Reconciliation on SQLite', () => {
  let file: TestSqlite;
  let orm: MikroORM;
  beforeAll(async () => {
    file = await createSqlite();
    orm = await file.open();
  });
  afterAll(() => file?.drop());

  it('settles open calls, publishes missing deliveries, and keeps its runs', async () => {
    const calls = mysqlExternalCallStore(orm);
    const hourAgo = new Date(Date.now() - 3_600_000);
    const em = orm.em.fork();
    for (const id of ['abandoned', 'never-called'])
      em.create(OrderEntity, {
        id,
        transactionId: `t-${id}`,
        customerId: 'c',
        amountMinor: 1n,
        currency: 'EUR',
        status: 'PLACED',
        createdAt: hourAgo,
      });
    await em.flush();
    const request = {
      callName: 'charge-payment',
      correlationId: 'c',
      origin: 'bank',
      method: 'POST',
      path: '/',
      headers: '[]',
      body: undefined,
      openedAt: hourAgo,
    };
    for (const idempotencyKey of ['abandoned', 'nothing']) await calls.open({ ...request, idempotencyKey }, 1);
    const ago = Date.now() - 600_000;
    await orm.em.getConnection().execute('update external_call set lease_until = ?', [ago]);
    const config = {
      owner: 'shop',
      endpoints: '127.0.0.1:1',
      databaseUrl: file.url,
      origins: {},
      alertWebhook: undefined,
      reconciliation: { sources: [orderPayments], chunk: 1, rate: 1_000 },
    };
    const gateway = { call: () => Promise.reject(new Error('no bank here')) };
    const { open, delivery } = composeReconciliation({
      config,
      orm,
      logger: silentLogger,
      listeners: [chargePayment],
      calls,
      gateway,
      inTransaction: undefined,
    }).part;
    const signal = new AbortController().signal;

    const foreseen = await readAll(previewOpenCalls(undefined, open));
    expect(foreseen.map(({ idempotencyKey, verdict }) => `${idempotencyKey} ${verdict}`)).toEqual([
      'abandoned WOULD_ASK',
      'nothing NO_MESSAGE',
    ]);
    const run = await reconcileOpenCalls({ since: { agoMs: 86_400_000 } }, open, signal);
    expect(await open.runs.summary(run!)).toMatchObject({ status: 'DONE', looked: 2, totals: { WAITING: 1, NO_MESSAGE: 1 } });

    const sent: string[] = [];
    const context = { ...delivery, send: async ({ keys }: { keys: readonly string[] }) => void sent.push(...keys) };
    const delivered = await reconcileDelivery(orderPayments, {}, context, signal);
    expect(await open.runs.summary(delivered!)).toMatchObject({ looked: 2, totals: { REPUBLISHED: 1 } });
    expect(sent).toEqual(['never-called']);
    expect((await open.runs.breaks(delivered!, { after: 0, limit: 9 })).map(({ verdict }) => verdict)).toEqual(['REPUBLISHED']);
    const again = await reconcileDelivery(orderPayments, {}, context, signal);
    expect(await open.runs.summary(again!)).toMatchObject({ totals: { RECENT: 1 } });
    await orm.em.getConnection().execute('update reconciliation_run set finished_at = ?', [Date.now() - 40 * 86_400_000]);
    await open.runs.purge(86_400_000);
    expect(await orm.em.getConnection().execute('select id from reconciliation_item')).toEqual([]);
  });
});
