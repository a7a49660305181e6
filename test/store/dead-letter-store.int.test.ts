import { mysqlHome } from './mysql-home.ts';
import { describeDeadLetterStore } from './dead-letter-store-contract.ts';

describeDeadLetterStore(mysqlHome('dead_letter'));
