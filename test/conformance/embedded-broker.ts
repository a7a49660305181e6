import { randomUUID } from 'node:crypto';
import { EmbeddedBroker, type EmbeddedBrokerSettings } from '../../src/testing.ts';
import type { BrokerUnderTest } from './broker-under-test.ts';

/** Timings as in the test profile of the real one, and shorter where nothing depends on them. */
const SETTINGS: Partial<EmbeddedBrokerSettings> = {
  transactionTimeOutMs: 300,
  transactionCheckIntervalMs: 300,
  opBatchIntervalMs: 50,
  transactionCheckMax: 1_000,
  transactionDataExpireMs: 600_000,
  minInvisibleMs: 1_000,
  minLongPollMs: 1_000,
};

const unique = (prefix: string): string => `${prefix}-${randomUUID().slice(0, 8)}`;

function topicsAndGroups(broker: () => EmbeddedBroker): Pick<BrokerUnderTest, 'createTopic' | 'createGroup'> {
  return {
    createTopic: async (type = 'TRANSACTION') => {
      const name = unique(`test-${type.toLowerCase()}`);
      broker().createTopic(name, type);
      return name;
    },
    createGroup: async ({ retryMaxTimes = 3 } = {}) => {
      const name = unique('test-group');
      broker().createGroup(name, { retryMaxTimes });
      return name;
    },
  };
}

/** The embedded broker, with the machine's clock. */
export function embeddedBroker(): BrokerUnderTest {
  let broker: EmbeddedBroker | undefined;
  const opened = (): EmbeddedBroker => {
    if (broker === undefined) throw new Error('open() first');
    return broker;
  };
  return {
    name: 'the embedded broker',
    features: { filtersBySql: false, recallsMessages: false, acknowledgesBesideGarbage: true },
    get endpoints() {
      return opened().endpoints;
    },
    open: async () => {
      broker = await EmbeddedBroker.start({ settings: SETTINGS });
    },
    close: async () => broker?.close(),
    ...topicsAndGroups(opened),
    hasTopic: async (name) => opened().inspect.topics().includes(name),
    startPrivate: async (settings) => {
      const own = await EmbeddedBroker.start({ settings: { ...SETTINGS, ...settings } });
      return {
        endpoints: own.endpoints,
        ...topicsAndGroups(() => own),
        readable: async (topic) => own.inspect.queued(topic, ''),
        parked: async () => own.inspect.parked().length,
        close: () => own.close(),
      };
    },
  };
}
