import { decorate } from '../decorate.ts';
import type { UnsafeVariant } from './unsafe-variant.ts';

export const IN_DOUBT_AS_ROLLBACK: UnsafeVariant = {
  mistake: 'a COMMIT whose answer was lost is taken as rolled back',
  breaks: ['I8 rejected as rolled back means never committed', 'I2 no lost message'],
  workload: { strategies: ['row-first', 'marker-first'], failing: 0, lostCommitAnswer: 0.3 },
  database: (real) => {
    const inDoubt = new Set<string>();
    return decorate(real, {
      withFencedSession: (transactionId, fence, timeoutMs, work) =>
        real.withFencedSession(transactionId, fence, timeoutMs, (session) =>
          work(
            decorate(session, {
              commit: async () => {
                try {
                  await session.commit();
                } catch (error) {
                  inDoubt.add(transactionId);
                  throw error;
                }
              },
            }),
          ),
        ),
      // The publisher's own question comes first; check-backs are answered as they should be.
      check: async (lookup, half, signal) => (inDoubt.delete(half.transactionId) ? 'ROLLBACK' : real.check(lookup, half, signal)),
    });
  },
};

export const IN_DOUBT_AS_COMMIT: UnsafeVariant = {
  mistake: 'a COMMIT whose answer was lost is taken as committed',
  breaks: ['I8 resolved means committed', 'I1 no ghost'],
  workload: { strategies: ['row-first', 'marker-first'], failing: 0, killedBeforeCommit: 0.3 },
  database: (real) =>
    decorate(real, {
      withFencedSession: (transactionId, fence, timeoutMs, work) =>
        real.withFencedSession(transactionId, fence, timeoutMs, (session) =>
          work(decorate(session, { commit: () => session.commit().catch(() => {}) })),
        ),
    }),
};
