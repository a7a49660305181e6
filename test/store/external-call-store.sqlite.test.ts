import { sqliteHome } from './sqlite-home.ts';
import { describeExternalCallStore } from './external-call-store-contract.ts';

describeExternalCallStore(sqliteHome);
