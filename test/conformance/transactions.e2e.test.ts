import { realBroker } from './real-broker.ts';
import { transactionsSuite } from './transactions.suite.ts';

for (const path of ['lean', 'official'] as const) transactionsSuite(realBroker(), path);
