import { embeddedBroker } from './embedded-broker.ts';
import { javaClientSuite } from './java-client.suite.ts';
import { realBroker } from './real-broker.ts';

javaClientSuite(embeddedBroker());
javaClientSuite(realBroker());
