import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { MikroORM } from '@mikro-orm/mysql';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../../schema/engine.ts';
import { Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import { type GeneratedDay, type GeneratedOrder, generateDay } from '../../../listeners/reconciliation/generate-statement.ts';
import { openOrm } from '../../../src/store/open-orm.ts';

export const DAY = '2026-01-31';

/** A generated day in the window of `bankStatement`, its last hour excepted: nothing is late. */
export const generated = (orders: number, breaksOfEachKind: number, seed?: number): GeneratedDay =>
  generateDay({
    orders,
    breaksOfEachKind,
    from: new Date('2026-01-30T17:00:00Z'),
    to: new Date('2026-01-31T16:00:00Z'),
    ...(seed === undefined ? {} : { seed }),
  });

export const openShop = (url: string): Promise<MikroORM> =>
  openOrm({
    url,
    entities: [...ENGINE_ENTITIES, OrderEntity],
    migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders] as never[],
  });

/** Puts orders and their calls, all SUCCESS, into the database, some thousands a statement. */
export const insertOrders = async (orm: MikroORM, orders: Iterable<GeneratedOrder>): Promise<void> => {
  const connection = orm.em.getConnection('write');
  let batch: GeneratedOrder[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    const at = (date: Date): string => date.toISOString().slice(0, 23).replace('T', ' ');
    await connection.execute(
      `insert into orders (id, transaction_id, customer_id, amount_minor, currency, status, created_at) values ${batch
        .map((order) => `('${order.id}', '${order.id}', 'c', ${order.amountMinor}, '${order.currency}', 'PAID', '${at(order.createdAt)}')`)
        .join(', ')}`,
    );
    await connection.execute(
      `insert into external_call (call_name, idempotency_key, correlation_id, status, attempts, created_at, updated_at) values ${batch
        .map((order) => `('charge-payment', '${order.id}', '', 'SUCCESS', 1, '${at(order.createdAt)}', '${at(order.createdAt)}')`)
        .join(', ')}`,
    );
    batch = [];
  };
  for (const order of orders) {
    batch.push(order);
    if (batch.length === 5_000) await flush();
  }
  await flush();
};

/** A directory of this test's own, and files in it. */
export const temporaryFiles = (): {
  readonly directory: string;
  write(name: string, chunks: Iterable<string | Uint8Array>): Promise<string>;
  remove(): void;
} => {
  const directory = mkdtempSync(join(tmpdir(), 'checkback-test-statement-'));
  return {
    directory,
    write: async (name, chunks) => {
      const path = join(directory, name);
      await pipeline(Readable.from(chunks), createWriteStream(path));
      return path;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
};
