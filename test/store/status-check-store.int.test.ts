import { mysqlHome } from './mysql-home.ts';
import { describeStatusCheckStore } from './status-check-store-contract.ts';

describeStatusCheckStore(mysqlHome('status_check'));
