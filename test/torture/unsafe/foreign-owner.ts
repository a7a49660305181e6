import { MESSAGE_PROPERTY } from '../../../src/broker/message.ts';
import type { UnsafeVariant } from './unsafe-variant.ts';

export const FOREIGN_OWNER_ROLLBACK: UnsafeVariant = {
  mistake: 'another service on the same topic answers ROLLBACK for orders that are not its own',
  breaks: ['I2 no lost message'],
  workload: { strategies: ['row-first', 'row-beforeCommit'], lostEnd: 1, failing: 0 },
  bystanders: 1,
  broker: (real, owner) => ({
    startTransactionalProducer: ({ topics, checkBack }) =>
      real.startTransactionalProducer({
        topics,
        checkBack: async (half, signal) => (half.properties[MESSAGE_PROPERTY.owner] === owner ? checkBack(half, signal) : 'ROLLBACK'),
      }),
  }),
};
