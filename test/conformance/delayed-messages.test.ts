import { delayedMessagesSuite } from './delayed-messages.suite.ts';
import { embeddedBroker } from './embedded-broker.ts';

delayedMessagesSuite(embeddedBroker());
