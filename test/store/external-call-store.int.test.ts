import { mysqlHome } from './mysql-home.ts';
import { describeExternalCallStore } from './external-call-store-contract.ts';

describeExternalCallStore(mysqlHome('external_call'));
