import { sqliteHome } from './sqlite-home.ts';
import { describeProcessedMessageStore } from './processed-message-store-contract.ts';

describeProcessedMessageStore(sqliteHome);
