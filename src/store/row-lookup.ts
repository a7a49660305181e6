import type { MikroORM } from '@mikro-orm/mysql';
import type { Resolution } from '../broker/transactional-producer.ts';
import type { HalfMessageView, RowExistsLookup } from '../transaction/lookup.ts';
import { isLockedByOthers } from './mysql-error.ts';
import type { ServerFlavour } from './server-checks.ts';
import { isSessionLockFree } from './session-lock.ts';
import type { SidePool } from './side-pool.ts';

/**
 * One rule for both fences of `rowExists`, so that a change of `half:` between the sender's version and the checker's is
 * safe. First the session lock, then the row, as two statements: one alone could read the row before it asks for the
 * lock. With the row fence nobody ever took the lock, and the row's own lock answers: locked ⇒ its transaction is open.
 */
export async function checkRow(
  orm: MikroORM,
  side: SidePool,
  flavour: ServerFlavour,
  lookup: RowExistsLookup,
  half: HalfMessageView,
): Promise<Resolution> {
  if (!(await isSessionLockFree(side, half.transactionId))) return 'UNKNOWN';
  const { sql, params } = rowQuery(orm, lookup, half);
  try {
    const rows = await side.query(`${sql} ${flavour.shareNowait}`, ...params);
    return rows.length > 0 ? 'COMMIT' : 'ROLLBACK';
  } catch (error) {
    if (isLockedByOthers(error)) return 'UNKNOWN';
    throw error;
  }
}

/** The look-up as a statement, to be run outside of whatever transaction and identity map the caller is in. */
export function rowQuery(orm: MikroORM, lookup: RowExistsLookup, half: HalfMessageView): { sql: string; params: readonly unknown[] } {
  const em = orm.em.fork({ clear: true, useContext: false });
  return em
    .createQueryBuilder(lookup.entity as never, 't')
    .select(orm.getMetadata().get(lookup.entity as never).primaryKeys as never)
    .where(lookup.where(half) as never)
    .toQuery();
}
