import { sqliteTransactionDatabase } from '../../src/store/sqlite-transaction-database.ts';
import { createSqlite } from '../support/sqlite.ts';
import { describeLookUpContract } from './look-up-contract.ts';

describeLookUpContract('SQLite', async () => {
  const home = await createSqlite();
  const orm = await home.open({ poolSize: 5 });
  const database = sqliteTransactionDatabase(orm);
  return {
    orm,
    database,
    hasRowLocks: false,
    close: async () => {
      await database.close();
      await home.drop();
    },
  };
});
