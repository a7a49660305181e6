import type { EntityManager } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/mysql';

/** Runs a statement on the connection and in the transaction an entity manager is bound to. */
export const executeIn = (em: EntityManager, sql: string, binds: readonly unknown[] = []): Promise<Record<string, unknown>[]> =>
  (em as SqlEntityManager).getConnection().execute(sql, [...binds], 'all', em.getTransactionContext());
