import type { EntityManager } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/mysql';
import type { SqlTransaction } from '../../src/transaction/sql-transaction.ts';

/** Runs a statement on the connection and in the transaction an entity manager is bound to. */
export const executeIn = (em: EntityManager, sql: string, binds: readonly unknown[] = []): Promise<Record<string, unknown>[]> =>
  (em as SqlEntityManager).getConnection().execute(sql, [...binds], 'all', em.getTransactionContext());

/** The same as a transaction's statements. */
export const sqlIn = (em: EntityManager): SqlTransaction => ({
  insert: () => Promise.reject(new Error('not here')),
  execute: (sql, parameters = []) =>
    (em as SqlEntityManager).getConnection().execute(sql, [...parameters], 'run', em.getTransactionContext()),
  query: async (sql, parameters) => (await executeIn(em, sql, parameters)) as never,
});
