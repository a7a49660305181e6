import { sqliteHome } from '../store/sqlite-home.ts';
import { describeOutboxStore } from './outbox-store-contract.ts';

describeOutboxStore(sqliteHome);
