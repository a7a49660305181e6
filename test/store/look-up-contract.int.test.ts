import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, Migration20260101000000Orders, OrderEntity } from '../../schema/index.ts';
import { mysqlTransactionDatabase } from '../../src/store/mysql-transaction-database.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { createDatabase } from '../support/stack.ts';
import { describeLookUpContract } from './look-up-contract.ts';

describeLookUpContract('MySQL', async () => {
  const home = await createDatabase('contract');
  const orm = await openOrm({
    url: home.url,
    entities: [OrderEntity, ...ENGINE_ENTITIES],
    migrations: [Migration20260101000000Orders, ...ENGINE_MIGRATIONS],
    poolSize: 5,
  });
  await orm.migrator.up();
  const database = mysqlTransactionDatabase(orm);
  return {
    orm,
    database,
    hasRowLocks: true,
    close: async () => {
      await database.close();
      await orm.close(true);
      await home.drop();
    },
  };
});
