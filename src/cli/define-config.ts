import type { AnyMessageListener } from '../worker/message-listener.ts';
import type { AnyTransactionListener } from '../transaction/transaction-listener.ts';

/** What `checkback.config.ts` exports by default. What is left out comes from the environment, where the names say so. */
export interface CheckbackConfig {
  /** Name of this service; owns its transactions and answers their check-backs. */
  readonly owner: string;
  /** `host:port` of the RocketMQ proxy's gRPC port. Default: `CHECKBACK_ROCKETMQ_ENDPOINTS`. */
  readonly endpoints?: string;
  /** `mysql://user:password@host:3306/database`. Default: `CHECKBACK_MYSQL_URL`. */
  readonly databaseUrl?: string;
  /** MikroORM entities of the business; the engine adds its own. */
  readonly entities?: readonly unknown[];
  /** MikroORM migrations of the business, run by `checkback migrate` together with the engine's. */
  readonly migrations?: readonly unknown[];
  readonly transactionListeners?: readonly AnyTransactionListener[];
  readonly messageListeners?: readonly AnyMessageListener[];
  /** Institutions by name, as the external calls name them. `CHECKBACK_ORIGINS` (`bank=https://…,other=…`) goes before. */
  readonly origins?: Readonly<Record<string, string>>;
}

/** Gives `checkback.config.ts` its types; checks nothing by itself. */
export function defineConfig(config: CheckbackConfig): CheckbackConfig {
  return config;
}
