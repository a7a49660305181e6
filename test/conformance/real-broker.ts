import { createGroup, createTopic, startPrivateStack, useStack } from '../support/stack.ts';
import type { BrokerUnderTest } from './broker-under-test.ts';

const PARKED = 'TRANS_CHECK_MAX_TIME_TOPIC';

/** The shared RocketMQ of this test run. */
export function realBroker(): BrokerUnderTest {
  return {
    name: 'RocketMQ',
    features: { filtersBySql: true, recallsMessages: true, acknowledgesBesideGarbage: false },
    get endpoints() {
      return useStack().endpoints;
    },
    open: async () => {},
    close: async () => {},
    createTopic: (type) => createTopic(type),
    createGroup: (options) => createGroup(options),
    hasTopic: async (name) => (await useStack().admin.topicRoute(name)) !== undefined,
    startPrivate: async ({ transactionCheckMax, opBatchIntervalMs }) => {
      const stack = await startPrivateStack();
      const { admin, endpoints } = stack;
      if (transactionCheckMax !== undefined) await admin.setBrokerConfig('transactionCheckMax', String(transactionCheckMax));
      if (opBatchIntervalMs !== undefined) await admin.setBrokerConfig('transactionOpBatchInterval', String(opBatchIntervalMs));
      return {
        endpoints,
        createTopic: (type) => createTopic(type, { admin }),
        createGroup: (options) => createGroup({ ...options, admin }),
        readable: (topic) => admin.maxOffset(topic),
        parked: () => admin.maxOffset(PARKED).catch(() => 0),
        close: () => stack.close(),
      };
    },
  };
}
