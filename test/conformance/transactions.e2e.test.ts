import { realBroker } from './real-broker.ts';
import { transactionsSuite } from './transactions.suite.ts';

transactionsSuite(realBroker());
