import { mysqlHome } from './mysql-home.ts';
import { describeSagaStore } from './saga-store-contract.ts';

describeSagaStore(mysqlHome('saga'));
