import { delayedMessagesSuite } from './delayed-messages.suite.ts';
import { realBroker } from './real-broker.ts';

delayedMessagesSuite(realBroker());
