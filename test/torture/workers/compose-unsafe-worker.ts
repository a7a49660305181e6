import { ENGINE_ENTITIES } from '../../../schema/index.ts';
import type { LoadedConfig } from '../../../src/cli/config.ts';
import {
  type AnyMessageListener,
  type ExternalCallStore,
  type Gateway,
  type Logger,
  createGateway,
  keepUnknownOutcomes,
  mysqlExternalCallStore,
  mysqlStatusCheckStore,
  rocketmq,
  startStatusChecker,
  startWorker,
} from '../../../src/index.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { applyOutcome } from '../../../src/worker/apply-outcome.ts';
import { decodeMessage } from '../../../src/worker/decode-message.ts';

/** What somebody gets wrong about calling, laid over the real parts. */
export interface UnsafeCalling {
  readonly calls?: (real: ExternalCallStore) => ExternalCallStore;
  readonly gateway?: (real: Gateway, calls: ExternalCallStore) => Gateway;
}

/** The parts of a worker that calls go through, as `composeWorker` puts them together, with some of them replaced. */
export async function composeUnsafeWorker(
  config: LoadedConfig,
  logger: Logger,
  unsafe: UnsafeCalling,
): Promise<{ close(deadlineMs?: number): Promise<void> }> {
  const parts = new AsyncDisposableStack();
  try {
    const entities = [...ENGINE_ENTITIES, ...(config.entities ?? [])];
    const orm = parts.adopt(await openOrm({ url: config.databaseUrl, entities }), (opened) => opened.close(true));
    const real = mysqlExternalCallStore(orm);
    const calls = unsafe.calls?.(real) ?? real;
    const opened = parts.adopt(createGateway({ ...config.gateway, origins: config.origins, store: calls, logger }), (made) => made.close());
    const gateway = unsafe.gateway?.(opened, calls) ?? opened;
    const [listener] = config.messageListeners as [AnyMessageListener];
    const broker = rocketmq({ endpoints: config.endpoints, logger });
    const { topic, group } = listener;
    const consumer = parts.adopt(await broker.startConsumer({ topic, group }), (started) => started.close());
    const store = mysqlStatusCheckStore(orm);
    const { timerTopic: _, timerGroup: __, ...limits } = config.statusChecks ?? {};
    const listeners = [listener];
    const checker = parts.adopt(
      startStatusChecker({ ...limits, store, calls: real, gateway, worker: { decodeMessage, applyOutcome }, listeners, logger }),
      (started) => started.close(0),
    );
    const unknownOutcome = keepUnknownOutcomes({ store, logger });
    const worker = startWorker({ ...config.worker, consumers: [{ listener, consumer }], gateway, unknownOutcome, logger });
    return {
      close: async (deadlineMs) => {
        await Promise.all([worker.close(deadlineMs), checker.close(deadlineMs)]);
        await parts.disposeAsync();
      },
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}
