import { consumingSuite } from './consuming.suite.ts';
import { realBroker } from './real-broker.ts';

consumingSuite(realBroker());
