import { randomUUID } from 'node:crypto';
import type { MikroORM } from '@mikro-orm/mysql';
import { chargePayment } from '../../../listeners/charge-payment.listener.ts';
import { orderPayments } from '../../../listeners/reconciliation/order-payments.source.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import type { LoadedConfig } from '../../../src/cli/config.ts';
import { composeReconciliation, type Reconciliation } from '../../../src/cli/compose-reconciliation.ts';
import { type MockBank, startMockBank } from '../../../src/cli/mock-bank/mock-bank.ts';
import { createGateway, type Gateway } from '../../../src/gateway/gateway.ts';
import { silentLogger } from '../../../src/shared/logger.ts';
import { mysqlExternalCallStore } from '../../../src/store/mysql-external-call-store.ts';
import { mysqlStatusCheckStore } from '../../../src/store/mysql-status-check-store.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import type { AnyMessageListener } from '../../../src/worker/message-listener.ts';
import { createDatabase, type TestDatabase } from '../../support/stack.ts';

/** A shop with the worked example's orders, its database, and its bank. */
export interface Shop {
  readonly home: TestDatabase;
  readonly orm: MikroORM;
  readonly bank: MockBank;
  readonly gateway: Gateway;
  execute(sql: string, binds?: unknown[]): Promise<Record<string, unknown>[]>;
  /** A placed order, ten minutes old unless said otherwise. */
  order(id: string, options?: { readonly ageMin?: number; readonly status?: string }): Promise<void>;
  /** A call of it. `state` as SQL: status, lease_owner, lease_until. */
  call(id: string, state?: string, options?: { readonly name?: string; readonly ageMin?: number }): Promise<void>;
  /** The bank takes the payment, although nobody here knows. */
  paid(id: string): Promise<void>;
  refused(id: string): Promise<void>;
  /** A status check with the order's message; `dueMin` from now, REVIEW without. */
  check(id: string, dueMin: number | undefined): Promise<void>;
  /** Everything a reconciler needs, anew: as a process of its own would have it. */
  reconciler(options?: {
    readonly listener?: AnyMessageListener;
    readonly isBlind?: boolean;
    readonly concurrency?: number;
    readonly chunk?: number;
    readonly leaseMs?: number;
  }): Reconciliation;
  statuses(): Promise<Record<string, string>>;
  orderStatuses(): Promise<Record<string, string>>;
  /** How often the bank was asked about each order. */
  questions(): Record<string, number>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

export const UNKNOWN = "'UNKNOWN', null, null";
export const ABANDONED = "'PENDING', 'gone', utc_timestamp(3) - interval 9 minute";
export const RUNNING = "'PENDING', 'alive', utc_timestamp(3) + interval 1 minute";

export const openShop = async (): Promise<Shop> => {
  const home = await createDatabase('reconciliation');
  const orm = await openOrm({
    url: home.url,
    entities: [...ENGINE_ENTITIES, OrderEntity],
    migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
  });
  await orm.migrator.up();
  const bank = await startMockBank();
  const calls = mysqlExternalCallStore(orm);
  const gateway = createGateway({ origins: { bank: bank.origin }, store: calls });
  const execute: Shop['execute'] = (sql, binds = []) => orm.em.getConnection().execute(sql, binds);
  const pay = (id: string) =>
    fetch(`${bank.origin}/payments`, {
      method: 'POST',
      headers: { 'idempotency-key': id, 'content-type': 'application/json' },
      body: JSON.stringify(payloadOf(id)),
    });
  const asRecord = (rows: Record<string, unknown>[]): Record<string, string> =>
    Object.fromEntries(rows.map(({ id, status }) => [String(id), String(status)]));
  return {
    home,
    orm,
    bank,
    gateway,
    execute,
    order: async (id, { ageMin = 10, status = 'PLACED' } = {}) =>
      void (await execute(
        `insert into orders (id, transaction_id, customer_id, amount_minor, currency, status, created_at)
         values (?, ?, 'c1', 4200, 'EUR', ?, utc_timestamp(3) - interval ? minute)`,
        [id, randomUUID(), status, ageMin],
      )),
    call: async (id, state = UNKNOWN, { name = 'charge-payment', ageMin = 10 } = {}) =>
      void (await execute(
        `insert into external_call (call_name, idempotency_key, correlation_id, attempts, status, lease_owner, lease_until, created_at, updated_at)
         values (?, ?, ?, 1, ${state}, utc_timestamp(3) - interval ? minute, utc_timestamp(3) - interval ? minute)`,
        [name, id, `c-${id}`, ageMin, ageMin],
      )),
    paid: async (id) => void (await (await pay(id)).arrayBuffer()),
    refused: async (id) => {
      bank.follow([{ kind: 'reject' }]);
      await (await pay(id)).arrayBuffer();
    },
    check: async (id, dueMin) => {
      await mysqlStatusCheckStore(orm).schedule({
        callName: 'charge-payment',
        idempotencyKey: id,
        listener: 'charge-payment',
        correlationId: `c-${id}`,
        message: {
          topic: 'orders',
          tag: 'placed',
          keys: [id],
          properties: {},
          body: Buffer.from(JSON.stringify(payloadOf(id))),
          messageId: `m-${id}`,
          deliveryAttempt: 1,
          bornAt: undefined,
        },
        errorCode: 'CB_READ_TIMEOUT',
        afterMs: dueMin === undefined ? undefined : Math.max(0, dueMin * 60_000),
      });
    },
    reconciler: ({ listener = chargePayment, isBlind = false, ...limits } = {}) => {
      const config = {
        owner: 'order-service',
        endpoints: '127.0.0.1:1',
        databaseUrl: home.url,
        origins: { bank: bank.origin },
        alertWebhook: undefined,
        reconciliation: { ...limits, rate: 10_000, sources: isBlind ? [] : [orderPayments] },
      } satisfies LoadedConfig;
      const base = { config, orm, logger: silentLogger, listeners: [listener], calls, gateway, inTransaction: undefined };
      return composeReconciliation(base).part;
    },
    statuses: async () =>
      asRecord(await execute("select idempotency_key as id, status from external_call where call_name = 'charge-payment'")),
    orderStatuses: async () => asRecord(await execute('select id, status from orders')),
    questions: () => {
      const asked: Record<string, number> = {};
      for (const { method, path } of bank.requests) {
        const id = path.slice('/payments/'.length);
        if (method === 'GET') asked[id] = (asked[id] ?? 0) + 1;
      }
      return asked;
    },
    clear: async () => {
      for (const table of TABLES) await execute(`delete from ${table}`);
      (bank.requests as unknown[]).splice(0);
      bank.follow([]);
    },
    close: async () => {
      await gateway.close();
      await orm.close(true);
      await home.drop();
      await bank.close();
    },
  };
};

export const payloadOf = (orderId: string) => ({ orderId, customerId: 'c1', amountMinor: 4_200, currency: 'EUR' });

const TABLES = [
  'orders',
  'external_call',
  'status_check',
  'dead_letter',
  'saga_step',
  'saga_instance',
  'reconciliation_item',
  'reconciliation_run',
];
