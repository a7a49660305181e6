import { sqliteHome } from './sqlite-home.ts';
import { describeStatusCheckStore } from './status-check-store-contract.ts';

describeStatusCheckStore(sqliteHome);
