import { protocolSuite } from './protocol.suite.ts';
import { realBroker } from './real-broker.ts';

protocolSuite(realBroker());
