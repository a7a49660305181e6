import { mysqlHome } from '../store/mysql-home.ts';
import { describeOutboxStore } from './outbox-store-contract.ts';

describeOutboxStore(mysqlHome('outbox'));
