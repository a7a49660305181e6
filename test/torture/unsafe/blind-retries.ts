import type { Gateway } from '../../../src/index.ts';
import { decorate } from '../decorate.ts';
import type { UnsafeVariant } from './unsafe-variant.ts';

type Call = Gateway['call'];

/** The bank takes the money of every third order and says nothing. */
const CHARGES = {
  strategies: ['row-first'],
  failing: 0,
  twoMessages: 0,
  charged: 1,
  bank: { payments: { neverAnswers: 0.3 }, questions: 0 },
} as const satisfies UnsafeVariant['workload'];

export const RETRY_AFTER_READ_TIMEOUT: UnsafeVariant = {
  mistake: 'a request that was sent and not answered in time is simply sent again',
  breaks: ['I3 one payment per order at the bank'],
  workload: CHARGES,
  worker: {
    gateway: (real, calls) => {
      const call: Call = async (definition, input, options) => {
        const outcome = await real.call(definition, input, options);
        if (outcome.status !== 'UNKNOWN' || outcome.error.code !== 'CB_READ_TIMEOUT') return outcome;
        await calls.resolveUnknown(definition.name, options.idempotencyKey, 'PENDING');
        return real.call(definition, input, options);
      };
      return decorate(real, { call });
    },
  },
};

export const NEW_KEY_PER_RETRY: UnsafeVariant = {
  mistake: 'every retry has an idempotency key of its own, so that neither we nor the bank know it for the same payment',
  breaks: ['I3 one payment per order at the bank'],
  workload: CHARGES,
  worker: {
    gateway: (real) => {
      const call: Call = async (definition, input, options) => {
        const outcome = await real.call(definition, input, options);
        if (outcome.status !== 'UNKNOWN' || outcome.replayed) return outcome;
        return real.call(definition, input, { ...options, idempotencyKey: `${options.idempotencyKey}.retry` });
      };
      return decorate(real, { call });
    },
  },
};
