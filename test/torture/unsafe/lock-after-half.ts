import { executeIn } from '../../support/execute-in.ts';
import { decorate } from '../decorate.ts';
import type { UnsafeVariant } from './unsafe-variant.ts';

const lockName = (transactionId: string): string => `cb:${transactionId}`;

export const LOCK_AFTER_HALF: UnsafeVariant = {
  mistake: 'session lock taken after the half message',
  breaks: ['I2 no lost message'],
  workload: { strategies: ['row-first'], lostEnd: 1, failing: 0, lateHalfAck: 0.7, lateHalfAckMs: [1_500, 3_500] },
  database: (real) =>
    decorate(real, {
      withFencedSession: (transactionId, fence, timeoutMs, work) =>
        real.withFencedSession(transactionId, fence, timeoutMs, async (session) => {
          // The real one has it already: given back now and taken again at BEGIN, when the half is out.
          await executeIn(await session.begin(), 'do release_lock(?)', [lockName(transactionId)]);
          await session.rollback();
          return work(
            decorate(session, {
              begin: async () => {
                const em = await session.begin();
                await executeIn(em, 'select get_lock(?, 0)', [lockName(transactionId)]);
                return em;
              },
            }),
          );
        }),
    }),
};
