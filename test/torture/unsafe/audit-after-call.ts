import type { ExternalCallStore } from '../../../src/index.ts';
import { decorate } from '../decorate.ts';
import type { UnsafeVariant } from './unsafe-variant.ts';

type Opening = Parameters<ExternalCallStore['open']>;
type Opened = Parameters<ExternalCallStore['close']>[0];

export const AUDIT_AFTER_CALL: UnsafeVariant = {
  mistake: 'the request record is written together with the answer, once there is one',
  breaks: ['I4 no request without its record'],
  // An answer takes its time, so that there is something in between.
  workload: {
    strategies: ['row-first'],
    failing: 0,
    twoMessages: 0,
    charged: 1,
    bank: { payments: { isSlow: 0.5 }, questions: 0 },
  },
  worker: {
    calls: (real) => {
      const openings = new Map<Opened, Opening>();
      let made = 0;
      return decorate(real, {
        open: async (...opening) => {
          const opened = { kind: 'opened', callId: -(made += 1), attempt: 1, fence: '' } as const;
          openings.set(opened, opening);
          return opened;
        },
        close: async (opened, ...rest) => {
          const late = await real.open(...openings.get(opened)!);
          openings.delete(opened);
          return late.kind === 'opened' ? real.close(late, ...rest) : { kind: 'lease-lost' };
        },
      });
    },
  },
};
