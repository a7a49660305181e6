import { embeddedBroker } from './embedded-broker.ts';
import { transactionsSuite } from './transactions.suite.ts';

transactionsSuite(embeddedBroker());
