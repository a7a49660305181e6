import type { MikroORM } from '@mikro-orm/mysql';
import type { TransactionDatabase } from '../../../src/index.ts';
import { decorate } from '../decorate.ts';
import type { UnsafeVariant } from './unsafe-variant.ts';

/** No fence: row absent ⇒ ROLLBACK, as the textbook has it. */
const reads =
  (locking: '' | 'lock in share mode') =>
  (real: TransactionDatabase, orm: MikroORM): TransactionDatabase =>
    decorate(real, {
      // The row fence takes no lock of its own.
      withFencedSession: (transactionId, _fence, timeoutMs, work) => real.withFencedSession(transactionId, 'row', timeoutMs, work),
      check: async (_lookup, { transactionId }) => {
        const rows: unknown[] = await orm.em
          .getConnection('write')
          .execute(`select 1 from torture_order where transaction_id = ? ${locking}`, [transactionId]);
        return rows.length > 0 ? 'COMMIT' : 'ROLLBACK';
      },
    });

/** Only check-backs decide, and the row is written when the first of them has passed. */
const SLOW = { lostEnd: 1, failing: 0, slowExecute: 0.7, slowExecuteMs: [1_500, 3_500] } as const;

export const PLAIN_SELECT_FIRST: UnsafeVariant = {
  mistake: 'plain SELECT checker, half first',
  breaks: ['I2 no lost message'],
  workload: { ...SLOW, strategies: ['row-first'] },
  database: reads(''),
};

export const PLAIN_SELECT_OVERLAPPED: UnsafeVariant = {
  mistake: 'plain SELECT checker, half beside the local transaction',
  breaks: ['I2 no lost message'],
  workload: { ...SLOW, strategies: ['row-overlapped'] },
  database: reads(''),
};

export const PLAIN_SELECT_BEFORE_COMMIT: UnsafeVariant = {
  mistake: 'plain SELECT checker, half before COMMIT',
  breaks: ['I2 no lost message'],
  workload: { lostEnd: 1, failing: 0, lateHalfAck: 0.7, lateHalfAckMs: [1_500, 3_500], strategies: ['row-beforeCommit'] },
  database: reads(''),
};

export const FOR_SHARE_FIRST: UnsafeVariant = {
  mistake: 'FOR SHARE checker with the half sent first: it waits for an INSERT that has run, and fences nothing when it comes later',
  breaks: ['I2 no lost message'],
  workload: { ...SLOW, strategies: ['row-first'] },
  database: reads('lock in share mode'),
};
