import { consumingSuite } from './consuming.suite.ts';
import { embeddedBroker } from './embedded-broker.ts';

consumingSuite(embeddedBroker());
