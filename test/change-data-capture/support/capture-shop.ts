import type { MikroORM } from '@mikro-orm/mysql';
import type { PlaceOrder } from '../../../listeners/index.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import type { TransactionListener } from '../../../src/index.ts';
import {
  type ChangeDataCapture,
  type ChangeDataCaptureOptions,
  mysqlChangeDataCapture,
} from '../../../src/store/mysql-change-data-capture.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { placeOrderOn } from '../../support/publishing-listeners.ts';
import { createDatabase } from '../../support/stack.ts';
import { orderPlaced } from './order-placed.ts';
import { RecordingSender } from './recording-sender.ts';

/** Quick where a test waits; patient where a busy machine would be slow. */
export const QUICK = { standbyMs: 50, retryMs: 10, maxRetryMs: 200, savePositionMs: 0 } as const;

/** Orders on a database of their own, read from its binlog. Disposing ends all it started. */
export interface CaptureShop extends AsyncDisposable {
  readonly databaseUrl: string;
  readonly databaseName: string;
  readonly orm: MikroORM;
  readonly placeOrder: TransactionListener<PlaceOrder>;
  readonly sender: RecordingSender;
  /** `orders`: what stands for the table of that name. */
  openOrm(options?: { entities?: readonly unknown[]; orders?: unknown }): Promise<MikroORM>;
  /** Neither started nor given to a publisher. */
  capture(options?: Partial<ChangeDataCaptureOptions>): ChangeDataCapture;
  /** Reading, or standing by. */
  startCapture(options?: Partial<ChangeDataCaptureOptions>): Promise<ChangeDataCapture>;
  insert(...ids: string[]): Promise<void>;
  sql(text: string, ...binds: (string | number)[]): Promise<Record<string, unknown>[]>;
  position(name?: string): Promise<Record<string, unknown> | undefined>;
}

let transactions = 0;
export const aTransactionId = (): string => `00000000-0000-7000-8000-${String(++transactions).padStart(12, '0')}`;

export async function openCaptureShop(
  name: string,
  { topic = 'orders', entities = [], mysqlUrl }: { topic?: string; entities?: readonly unknown[]; mysqlUrl?: string } = {},
): Promise<CaptureShop> {
  const resources = new AsyncDisposableStack();
  try {
    const database = resources.adopt(await createDatabase(name, mysqlUrl), (created) => created.drop());
    const open: CaptureShop['openOrm'] = async ({ entities: others = entities, orders = OrderEntity } = {}) =>
      resources.adopt(
        await openOrm({
          url: database.url,
          entities: [...ENGINE_ENTITIES, orders, ...others],
          migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
          poolSize: 8,
        }),
        (opened) => opened.close(true),
      );
    const orm = await open();
    await orm.migrator.up();
    const sender = new RecordingSender();
    const placeOrder = placeOrderOn(topic);
    const sql: CaptureShop['sql'] = (text, ...binds) => orm.em.getConnection().execute(text, binds, 'all');
    const capture: CaptureShop['capture'] = (options = {}) =>
      resources.adopt(
        mysqlChangeDataCapture({ orm, owner: 'shop', rowMessages: [orderPlaced(placeOrder)], sender, from: 'now', ...QUICK, ...options }),
        (made) => made.close(),
      );
    return {
      databaseUrl: database.url,
      databaseName: database.name,
      orm,
      placeOrder,
      sender,
      openOrm: open,
      capture,
      async startCapture(options) {
        const made = capture(options);
        await made.start([]);
        return made;
      },
      async insert(...ids) {
        const em = orm.em.fork();
        for (const id of ids)
          em.create(OrderEntity, {
            id,
            transactionId: aTransactionId(),
            customerId: 'customer-1',
            amountMinor: 4_200n,
            currency: 'EUR',
          } as never);
        await em.flush();
      },
      sql,
      position: async (named = 'shop') => (await sql('select * from binlog_position where name = ?', named))[0],
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}
