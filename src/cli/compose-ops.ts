import { systemClock } from '../shared/clock.ts';
import type { Logger } from '../shared/logger.ts';
import { type Composed, openDatabase } from './compose.ts';
import type { LoadedConfig } from './config.ts';
import { databaseBackend } from './ops/database-backend.ts';
import { resolveOpsOptions } from './ops/ops-options.ts';
import { type OpsServer, startOpsServer } from './ops/ops-server.ts';

/** The page for people on call, on a pool of its own, so that nobody who looks takes a connection from the work. */
export async function composeOps(
  config: LoadedConfig,
  logger: Logger,
  { port, host }: { readonly port: number; readonly host?: string | undefined },
): Promise<Composed<OpsServer>> {
  const options = resolveOpsOptions({ ...config.ops, ...(host !== undefined && { host }), tokenOfEnvironment: config.opsToken });
  const orm = await openDatabase(config);
  try {
    const backend = databaseBackend({ config, orm, logger, clock: systemClock });
    const server = await startOpsServer({ backend, options, port, logger });
    return {
      part: server,
      close: async () => {
        await server.close();
        await orm.close(true);
      },
    };
  } catch (error) {
    await orm.close(true);
    throw error;
  }
}
