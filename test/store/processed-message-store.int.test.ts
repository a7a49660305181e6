import { mysqlHome } from './mysql-home.ts';
import { describeProcessedMessageStore } from './processed-message-store-contract.ts';

describeProcessedMessageStore(mysqlHome('processed_message'));
