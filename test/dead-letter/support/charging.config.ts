import { defineConfig } from '../../../src/index.ts';
import { chargeOn } from './charging.ts';

const { CHECKBACK_TEST_TOPIC: topic = '', CHECKBACK_TEST_GROUP: group = '' } = process.env;

/** The charging listener as a configuration, for processes: topic and group come from the environment, as does the rest. */
export default defineConfig({ owner: 'shop', messageListeners: [chargeOn(topic, group)] });
