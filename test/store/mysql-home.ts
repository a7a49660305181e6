import type { MikroORM } from '@mikro-orm/mysql';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { utcText } from '../../src/store/utc-date.ts';
import { createDatabase } from '../support/stack.ts';
import type { OpenHome } from './store-home.ts';

/** On the server of this test run. */
export const mysqlHome =
  (prefix: string): OpenHome =>
  async () => {
    const { url, drop } = await createDatabase(prefix);
    const opened: MikroORM[] = [];
    const another = async (): Promise<MikroORM> => {
      const orm = await openOrm({ url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
      opened.push(orm);
      return orm;
    };
    const orm = await another();
    await orm.migrator.up();
    return {
      name: 'MySQL',
      url,
      orm,
      numbered: 'int auto_increment primary key',
      another,
      stored: utcText,
      close: async () => {
        for (const each of opened) await each.close(true);
        await drop();
      },
    };
  };
