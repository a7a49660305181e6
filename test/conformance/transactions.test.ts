import { embeddedBroker } from './embedded-broker.ts';
import { transactionsSuite } from './transactions.suite.ts';

for (const path of ['lean', 'official'] as const) transactionsSuite(embeddedBroker(), path);
