import { compensatingTransactions } from '../saga/compensate-failures.ts';
import type { Logger } from '../shared/logger.ts';
import { mysqlTransactionDatabase } from '../store/mysql-transaction-database.ts';
import { openOrm } from '../store/open-orm.ts';
import { sqliteTransactionDatabase } from '../store/sqlite-transaction-database.ts';
import { isSqliteUrl } from '../store/sqlite-url.ts';
import { TransactionalPublisher } from '../transaction/transactional-publisher.ts';
import type { AnyTransactionListener } from '../transaction/transaction-listener.ts';
import type { EndTransactions } from '../worker/end-transactions.ts';
import { composeCarrier } from './compose-carrier.ts';
import { type LoadedConfig, loadConfig } from './config.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';

export type Orm = Awaited<ReturnType<typeof openOrm>>;

/** The database of a configuration: the business's tables and the engine's in one. */
export function openDatabase(config: LoadedConfig): Promise<Orm> {
  return openOrm({
    url: config.databaseUrl,
    entities: [...ENGINE_ENTITIES, ...(config.entities ?? [])],
    migrations: [...ENGINE_MIGRATIONS, ...((config.migrations ?? []) as never[])],
  });
}

/** Opens the database of a configuration file for as long as `work` runs. */
export async function withDatabase<T>(
  configFile: string | undefined,
  work: (opened: { config: LoadedConfig; orm: Orm }) => Promise<T>,
): Promise<T> {
  const config = await loadConfig(configFile);
  const orm = await openDatabase(config);
  try {
    return await work({ config, orm });
  } finally {
    await orm.close(true);
  }
}

/** A running piece of the graph and how to end it, in the order that loses nothing. */
export interface Composed<Part> {
  readonly part: Part;
  close(deadlineMs?: number): Promise<void>;
}

/** The publishing half: database, broker, publisher. */
export async function composePublisher(config: LoadedConfig, logger: Logger): Promise<Composed<TransactionalPublisher>> {
  const orm = await openDatabase(config);
  try {
    const publisher = await startPublisher(config, orm, config.transactionListeners ?? [], logger);
    return {
      part: publisher.part,
      close: async (deadlineMs) => {
        await publisher.close(deadlineMs);
        await orm.close(true);
      },
    };
  } catch (error) {
    await orm.close(true);
    throw error;
  }
}

/**
 * The transactions that FAILs with a compensating event are recorded in, and the publisher behind them; `undefined` when
 * the configuration has no such event. Close it after everything that records ends.
 */
export async function composeCompensations(config: LoadedConfig, orm: Orm, logger: Logger): Promise<Composed<EndTransactions> | undefined> {
  const { compensations = [], transactionListeners = [] } = config;
  if (compensations.length === 0) return undefined;
  // All of the service's listeners, so that it can answer whatever the broker asks about their topics.
  const listeners = new Set([...transactionListeners, ...compensations.map(({ publish }) => publish as AnyTransactionListener)]);
  const publisher = await startPublisher(config, orm, [...listeners], logger);
  return { part: compensatingTransactions(publisher.part, compensations), close: (deadlineMs) => publisher.close(deadlineMs) };
}

async function startPublisher(
  config: LoadedConfig,
  orm: Orm,
  listeners: readonly AnyTransactionListener[],
  logger: Logger,
): Promise<Composed<TransactionalPublisher>> {
  const { owner, databaseUrl } = config;
  const carrier = composeCarrier(config, orm, logger);
  try {
    const publisher = await TransactionalPublisher.start({
      owner,
      ...carrier.part,
      database: isSqliteUrl(databaseUrl) ? sqliteTransactionDatabase(orm) : mysqlTransactionDatabase(orm),
      listeners,
      logger,
    });
    return {
      part: publisher,
      close: async (deadlineMs) => {
        await publisher.close(deadlineMs);
        await carrier.close(deadlineMs);
      },
    };
  } catch (error) {
    await carrier.close(0);
    throw error;
  }
}
