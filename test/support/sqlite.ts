import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MikroORM } from '@mikro-orm/mysql';
import { ENGINE_ENTITIES, OrderEntity } from '../../schema/index.ts';
import { openOrm } from '../../src/store/open-orm.ts';

/** A SQLite file that no other test has, with the tables of the engine and of orders in it. */
export interface TestSqlite {
  readonly url: string;
  readonly path: string;
  /** Opens it once more, as another process would. */
  open(options?: { readonly poolSize?: number; readonly entities?: readonly unknown[] }): Promise<MikroORM>;
  /** Closes every instance that is open still, and removes the file. */
  drop(): Promise<void>;
}

export async function createSqlite(entities: readonly unknown[] = []): Promise<TestSqlite> {
  const folder = mkdtempSync(join(tmpdir(), 'checkback-sqlite-'));
  const path = join(folder, 'test.db');
  const url = `sqlite://${path}`;
  const opened: MikroORM[] = [];
  const open: TestSqlite['open'] = async (options = {}) => {
    const orm = await openOrm({ url, entities: [OrderEntity, ...ENGINE_ENTITIES, ...entities], ...options });
    opened.push(orm);
    return orm;
  };
  await (await open()).migrator.up();
  return {
    url,
    path,
    open,
    drop: async () => {
      for (const orm of opened) await orm.close(true);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
