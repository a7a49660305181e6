import { setTimeout as sleep } from 'node:timers/promises';
import { executeIn } from '../../support/execute-in.ts';
import { decorate } from '../decorate.ts';
import type { UnsafeVariant } from './unsafe-variant.ts';

export const DUPLICATE_MARKER_IGNORED: UnsafeVariant = {
  mistake: 'the business transaction goes on when its marker is a duplicate',
  breaks: ['I2 no lost message'],
  workload: { strategies: ['marker-first'], lostEnd: 1, failing: 0, lateHalfAck: 0.7, lateHalfAckMs: [1_500, 3_500] },
  database: (real) =>
    decorate(real, {
      // Without the real marker; one of its own, written with IGNORE.
      withFencedSession: (transactionId, _fence, timeoutMs, work) =>
        real.withFencedSession(transactionId, 'row', timeoutMs, (session) =>
          work(
            decorate(session, {
              begin: async () => {
                const em = await session.begin();
                await executeIn(em, 'insert ignore into transaction_marker (id, state) values (?, 1)', [transactionId]);
                return em;
              },
            }),
          ),
        ),
    }),
};

export const MARKER_FIRST_READ: UnsafeVariant = {
  mistake: 'the checker answers what it read before it wrote its own marker',
  breaks: ['I2 no lost message'],
  // The half is known 1 to 2 s before BEGIN; a check that reads in between writes when COMMIT is long past.
  workload: { strategies: ['marker-first'], lostEnd: 1, failing: 0, lateHalfAck: 1, lateHalfAckMs: [1_500, 3_500] },
  database: (real, orm) =>
    decorate(real, {
      check: async (_lookup, { transactionId }) => {
        const connection = orm.em.getConnection('write');
        const [found]: { state: number }[] = await connection.execute(
          'select state from transaction_marker where id = ? lock in share mode nowait',
          [transactionId],
        );
        if (found !== undefined) return found.state === 1 ? 'COMMIT' : 'ROLLBACK';
        await sleep(2_500);
        await connection.execute('insert ignore into transaction_marker (id, state) values (?, 0)', [transactionId]);
        return 'ROLLBACK';
      },
    }),
};

export const MARKER_PURGED_EARLY: UnsafeVariant = {
  mistake: 'markers are purged while the broker may still ask',
  breaks: ['I2 no lost message'],
  workload: { strategies: ['marker-first', 'marker-overlapped'], lostEnd: 1, failing: 0 },
  beside: (orm) => {
    const purge = setInterval(() => {
      orm.em
        .getConnection('write')
        .execute('delete from transaction_marker')
        .catch(() => {});
    }, 250);
    return () => clearInterval(purge);
  },
};
