import { protocolSuite } from './protocol.suite.ts';
import { realBroker } from './real-broker.ts';

for (const path of ['lean', 'official'] as const) protocolSuite(realBroker(), path);
