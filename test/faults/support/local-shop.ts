import type { MikroORM } from '@mikro-orm/mysql';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, Migration20260101000000Orders, OrderEntity } from '../../../schema/index.ts';
import {
  type AnyTransactionListener,
  TransactionalPublisher,
  type TransactionalPublisherOptions,
  mysqlTransactionDatabase,
} from '../../../src/index.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { ScriptedBroker } from '../../support/fake-transactions.ts';
import { type MysqlProxy, startMysqlProxy } from '../../support/mysql-proxy.ts';
import { type TestDatabase, createDatabase } from '../../support/stack.ts';

/** A publisher's surroundings on a real database behind a proxy, with a scripted broker. Disposing ends all it started. */
export interface LocalShop extends AsyncDisposable {
  /** Statements that passed the proxy and what the broker was told, in one order. */
  readonly story: string[];
  readonly broker: ScriptedBroker;
  readonly proxy: MysqlProxy;
  readonly database: TestDatabase;
  /** Past the proxy: for assertions and for other people's transactions. */
  readonly orm: MikroORM;
  start(
    listener: AnyTransactionListener,
    options?: Partial<TransactionalPublisherOptions> & { poolSize?: number },
  ): Promise<TransactionalPublisher>;
  orderIds(): Promise<string[]>;
  /** Ids of the sessions the server has now on this shop's database. */
  sessions(): Promise<number[]>;
}

export async function openLocalShop(name: string, url?: string): Promise<LocalShop> {
  const resources = new AsyncDisposableStack();
  try {
    const story: string[] = [];
    const database = resources.adopt(await createDatabase(name, url), (created) => created.drop());
    const proxy = resources.use(await startMysqlProxy(database.url, ({ text }) => story.push(text)));
    const broker = new ScriptedBroker(story);
    const open = async (at: string, poolSize: number): Promise<MikroORM> => {
      const orm = await openOrm({
        url: at,
        entities: [...ENGINE_ENTITIES, OrderEntity],
        migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders],
        poolSize,
      });
      return resources.adopt(orm, (opened) => opened.close(true).catch(() => {}));
    };
    const orm = await open(database.url, 5);
    await orm.migrator.up();
    return {
      story,
      broker,
      proxy,
      database,
      orm,
      async start(listener, { poolSize = 4, ...options } = {}) {
        const publisher = await TransactionalPublisher.start({
          owner: 'shop',
          broker,
          database: mysqlTransactionDatabase(await open(proxy.through(database.url), poolSize)),
          listeners: [listener],
          ...options,
        });
        resources.adopt(publisher, (started) => started.close(2_000));
        // First of all: what still waits for an answer would keep everything open.
        resources.defer(() => proxy.cut());
        return publisher;
      },
      orderIds: async () => (await orm.em.fork().find(OrderEntity, {}, { fields: ['id'], orderBy: { id: 'asc' } })).map(({ id }) => id),
      sessions: async () => {
        const rows: { id: number }[] = await orm.em
          .getConnection()
          .execute('select id from information_schema.processlist where db = ?', [database.name]);
        return rows.map(({ id }) => id);
      },
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}
