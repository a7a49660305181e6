import { sqliteHome } from './sqlite-home.ts';
import { describeDeadLetterStore } from './dead-letter-store-contract.ts';

describeDeadLetterStore(sqliteHome);
