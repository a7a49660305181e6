import { protocolSuite } from './protocol.suite.ts';
import { embeddedBroker } from './embedded-broker.ts';

for (const path of ['lean', 'official'] as const) protocolSuite(embeddedBroker(), path);
