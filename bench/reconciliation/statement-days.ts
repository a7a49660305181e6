import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { generateDay } from '../../listeners/reconciliation/generate-statement.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { Migration20260101000000Orders, OrderEntity } from '../../schema/index.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { mysqlStatementStore } from '../../src/store/mysql-reconciliation-break-store.ts';

const DAY = '2026-01-31';
const BATCH = 5_000;

/** A day in a database of its own, its statement in a file, and how to compare them. */
export interface StatementDay {
  reconcile(): Promise<{ readonly rowsPerSecond: number; readonly tookMs: number; readonly maxRssMib: number }>;
  /** Throws unless the open breaks are those that were made. */
  requireExactBreaks(): Promise<number>;
  close(): Promise<void>;
}

/** Makes a day of orders in the empty database at `url`, with this many breaks of each kind. */
export async function openStatementDay(url: string, directory: string, orders: number, breaksOfEachKind: number): Promise<StatementDay> {
  const day = generateDay({
    orders,
    breaksOfEachKind,
    from: new Date('2026-01-30T17:00:00Z'),
    to: new Date('2026-01-31T16:00:00Z'),
  });
  const file = join(directory, `bank-${orders}.csv`);
  await pipeline(Readable.from(day.statement()), createWriteStream(file));
  const orm = await openOrm({
    url,
    entities: [...ENGINE_ENTITIES, OrderEntity],
    migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders] as never[],
  });
  await orm.migrator.up();
  const connection = orm.em.getConnection('write');
  const at = (date: Date): string => `'${date.toISOString().slice(0, 23).replace('T', ' ')}'`;
  let batch: string[][] = [];
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    const values = (row: (order: string[]) => string): string => batch.map((order) => `(${row(order)})`).join(', ');
    await connection.execute(
      `insert into orders (id, transaction_id, customer_id, amount_minor, currency, status, created_at)
       values ${values(([id, amount, currency, time]) => `'${id}', '${id}', 'c', ${amount}, '${currency}', 'PAID', ${time}`)}`,
    );
    await connection.execute(
      `insert into external_call (call_name, idempotency_key, correlation_id, status, attempts, created_at, updated_at)
       values ${values(([id, , , time]) => `'charge-payment', '${id}', '', 'SUCCESS', 1, ${time}, ${time}`)}`,
    );
    batch = [];
  };
  for (const { id, amountMinor, currency, createdAt } of day.orders()) {
    batch.push([id, String(amountMinor), currency, at(createdAt)]);
    if (batch.length === BATCH) await flush();
  }
  await flush();
  const store = mysqlStatementStore(orm);
  return {
    reconcile: async () => {
      const child = fork(resolve(import.meta.dirname, 'reconcile.child.ts'), [url, file, DAY]);
      const exited = once(child, 'exit');
      const [told] = await Promise.race([once(child, 'message'), exited]);
      if (typeof told !== 'object') throw new Error(`the comparison ended with ${String(told)} before it told anything`);
      await exited;
      return told as Awaited<ReturnType<StatementDay['reconcile']>>;
    },
    requireExactBreaks: async () => {
      const found = await store.list({ state: 'OPEN' }, { after: 0, limit: day.breaks.length + 1 });
      const told = found.map(({ kind, reference }) => `${kind} ${reference}`).sort();
      const isExact = told.length === day.breaks.length && told.every((one, place) => one === day.breaks[place]);
      if (!isExact) throw new Error(`${told.length} breaks were found, ${day.breaks.length} were made, and they are not the same`);
      return told.length;
    },
    close: () => orm.close(true),
  };
}
