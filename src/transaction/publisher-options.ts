import type { TransactionalBroker } from '../broker/transactional-producer.ts';
import { ConfigurationError } from '../errors.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import type { AfterCommitLog } from './after-commit-log.ts';
import type { TransactionDatabase } from './transaction-database.ts';
import type { TransactionalOutbox } from './transactional-outbox.ts';
import type { AnyTransactionListener } from './transaction-listener.ts';

export interface TransactionalPublisherOptions {
  /** Name of this service. It owns its transactions: only a publisher of the same owner answers their check-backs. */
  readonly owner: string;
  /** Takes the half messages of the strategy `halfMessage`. Give one of this, `outbox` and `log`. */
  readonly broker?: TransactionalBroker;
  /** For the strategies whose messages are found in the database after COMMIT: `pollingOutbox`, `changeDataCapture`. The broker may be down. */
  readonly outbox?: TransactionalOutbox;
  /** Takes the messages of the strategy `localSegmentedOutbox` after COMMIT. The broker may be down; a crash in between loses them. */
  readonly log?: AfterCommitLog;
  /** Where the rows are; or several by name, and each listener says which takes an input. */
  readonly database: TransactionDatabase | Readonly<Record<string, TransactionDatabase>>;
  readonly listeners: readonly AnyTransactionListener[];
  /** Default: silent. */
  readonly logger?: Logger;
  /** Longest wait for a connection and its fence. Default 3,000 ms. */
  readonly connectionTimeoutMs?: number;
  /** Longest a local transaction may take before its session is killed. Default 10,000 ms. */
  readonly transactionTimeoutMs?: number;
  /** Times a local transaction is run when it falls to deadlocks or lock waits, the first included. Default 3. */
  readonly maxTransactionAttempts?: number;
  /** How long a COMMIT whose answer was lost is looked up before it is reported in doubt. Default 5,000 ms. */
  readonly inDoubtTimeoutMs?: number;
  /** Check-backs looked up at the same time; each needs a connection. Default 8. */
  readonly checkBackConcurrency?: number;
  /** Round from which a check-back that is still UNKNOWN is an alarm; below the broker's `transactionCheckMax`, which is 15 by default. Default 10. */
  readonly checkBackAlarmRound?: number;
}

export const DEFAULT_TRANSACTIONAL_PUBLISHER_OPTIONS = {
  logger: silentLogger,
  connectionTimeoutMs: 3_000,
  transactionTimeoutMs: 10_000,
  maxTransactionAttempts: 3,
  inDoubtTimeoutMs: 5_000,
  checkBackConcurrency: 8,
  checkBackAlarmRound: 10,
} as const;

/** How the messages travel with the decision. */
export type Carrier =
  | { readonly kind: 'half'; readonly broker: TransactionalBroker }
  | { readonly kind: 'outbox'; readonly outbox: TransactionalOutbox }
  | { readonly kind: 'log'; readonly log: AfterCommitLog };

export type ResolvedPublisherOptions = Required<Omit<TransactionalPublisherOptions, 'broker' | 'outbox' | 'log'>> & {
  readonly carrier: Carrier;
};

const REQUIRED = ['owner', 'database', 'listeners'] as const;
const KNOWN = new Set<string>([...REQUIRED, 'broker', 'outbox', 'log', ...Object.keys(DEFAULT_TRANSACTIONAL_PUBLISHER_OPTIONS)]);

/** Merges with the defaults, checks and freezes. Throws `ConfigurationError` naming the option and its value. */
export function resolvePublisherOptions(options: TransactionalPublisherOptions): ResolvedPublisherOptions {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw new ConfigurationError(`publisher: unknown option "${name}"`);
  }
  for (const name of REQUIRED) {
    if (options[name] === undefined) throw new ConfigurationError(`publisher: option "${name}" is missing`);
  }
  const { broker, outbox, log, ...others } = options;
  const resolved = { ...DEFAULT_TRANSACTIONAL_PUBLISHER_OPTIONS, ...others, carrier: carrierOf({ broker, outbox, log }) };
  if (!/^[\x21-\x7e]{1,64}$/.test(resolved.owner)) {
    throw new ConfigurationError(
      `publisher: owner must be 1 to 64 printable ASCII characters without spaces, got ${JSON.stringify(resolved.owner)}`,
    );
  }
  for (const name of [
    'connectionTimeoutMs',
    'transactionTimeoutMs',
    'maxTransactionAttempts',
    'inDoubtTimeoutMs',
    'checkBackConcurrency',
    'checkBackAlarmRound',
  ] as const) {
    if (!Number.isSafeInteger(resolved[name]) || resolved[name] < 1)
      throw new ConfigurationError(`publisher: ${name} must be a whole number of at least 1, got ${String(resolved[name])}`);
  }
  return Object.freeze(resolved);
}

function carrierOf(given: { [K in 'broker' | 'outbox' | 'log']: TransactionalPublisherOptions[K] | undefined }): Carrier {
  const { broker, outbox, log } = given;
  const names = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`"${name}"`]));
  if (names.length > 1)
    throw new ConfigurationError(`publisher: options ${names.join(' and ')} are different strategies, give one of them`);
  if (outbox !== undefined) return { kind: 'outbox', outbox };
  if (log !== undefined) return { kind: 'log', log };
  if (broker === undefined)
    throw new ConfigurationError('publisher: option "broker" is missing (or "outbox" or "log", for the strategies that have one)');
  return { kind: 'half', broker };
}
