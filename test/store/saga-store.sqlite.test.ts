import { sqliteHome } from './sqlite-home.ts';
import { describeSagaStore } from './saga-store-contract.ts';

describeSagaStore(sqliteHome);
