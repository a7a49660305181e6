import { protocolSuite } from './protocol.suite.ts';
import { embeddedBroker } from './embedded-broker.ts';

protocolSuite(embeddedBroker());
