import { rocketmq } from '../broker/rocketmq/rocketmq.ts';
import { ConfigurationError } from '../errors.ts';
import { createGateway } from '../gateway/gateway.ts';
import type { Logger } from '../shared/logger.ts';
import { mysqlExternalCallStore } from '../store/mysql-external-call-store.ts';
import { mysqlTransactionDatabase } from '../store/mysql-transaction-database.ts';
import { openOrm } from '../store/open-orm.ts';
import { TransactionalPublisher } from '../transaction/transactional-publisher.ts';
import { startWorker } from '../worker/worker.ts';
import type { WorkerLimits } from '../worker/worker-options.ts';
import type { LoadedConfig } from './config.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';

type Orm = Awaited<ReturnType<typeof openOrm>>;

/** The database of a configuration: the business's tables and the engine's in one. */
export function openDatabase(config: LoadedConfig): Promise<Orm> {
  return openOrm({
    url: config.databaseUrl,
    entities: [...ENGINE_ENTITIES, ...(config.entities ?? [])],
    migrations: [...ENGINE_MIGRATIONS, ...((config.migrations ?? []) as never[])],
  });
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
    const publisher = await TransactionalPublisher.start({
      owner: config.owner,
      broker: rocketmq({ endpoints: config.endpoints, logger }),
      database: mysqlTransactionDatabase(orm),
      listeners: config.transactionListeners ?? [],
      logger,
    });
    return {
      part: publisher,
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

/** The consuming half: database, gateway, one consumer a listener, worker. */
export async function composeWorker(
  config: LoadedConfig,
  logger: Logger,
  limits: Partial<WorkerLimits> = {},
): Promise<Composed<ReturnType<typeof startWorker>>> {
  const listeners = config.messageListeners ?? [];
  if (listeners.length === 0) throw new ConfigurationError('the configuration has no messageListeners for a worker to run');
  for (const { name, call } of listeners) {
    if (config.origins[call.origin] === undefined) {
      throw new ConfigurationError(
        `message listener "${name}" calls origin "${call.origin}": set it in "origins" of the configuration or CHECKBACK_ORIGINS=${call.origin}=https://…`,
      );
    }
  }
  const orm = await openDatabase(config);
  const broker = rocketmq({ endpoints: config.endpoints, logger });
  const gateway = createGateway({ origins: config.origins, store: mysqlExternalCallStore(orm), logger });
  const consumers = await Promise.allSettled(listeners.map(({ topic, group, tag }) => broker.startConsumer({ topic, group, tag })));
  const started = consumers.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const release = async (): Promise<void> => {
    await Promise.all(started.map((consumer) => consumer.close()));
    await gateway.close();
    await orm.close(true);
  };
  const failed = consumers.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await release();
    throw failed.reason;
  }
  const worker = startWorker({
    consumers: listeners.map((listener, index) => ({ listener, consumer: started[index]! })),
    gateway,
    logger,
    ...limits,
  });
  return {
    part: worker,
    close: async (deadlineMs) => {
      await worker.close(deadlineMs);
      await release();
    },
  };
}
