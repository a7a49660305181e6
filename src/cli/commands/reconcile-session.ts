import { type Command, InvalidArgumentError, Option } from 'commander';
import { createGateway } from '../../gateway/gateway.ts';
import { mysqlExternalCallStore } from '../../store/mysql-external-call-store.ts';
import { cliLogger } from '../cli-logger.ts';
import { composeReconciliation, type Reconciliation } from '../compose-reconciliation.ts';
import { composeCompensations, withDatabase } from '../compose.ts';
import { instant } from '../instant.ts';
import { perSecond } from '../per-second.ts';
import { upTo } from '../whole-number.ts';

/** What every kind of reconciliation takes. */
export interface ReconcileFlags {
  config?: string;
  dryRun?: true;
  since?: Since;
  chunk?: number;
  rate?: number;
  json?: true;
  html?: string;
  logLevel: string;
}

export type Since = { readonly agoMs: number } | { readonly at: Date };

export const withReconcileOptions = (command: Command): Command =>
  command
    .option('-c, --config <file>', 'configuration file; default checkback.config.ts')
    .option('--dry-run', 'says what would be done; asks nobody, sends nothing, writes nothing')
    .option('--since <when>', 'only what is younger: 90min, 24h, 7d, or a date like 2026-01-31T08:00Z', since)
    .option('--chunk <n>', 'rows of one transaction; default 100', upTo(1_000))
    .option('--rate <n>', 'questions or messages a second at most; default 10', perSecond)
    .option('--json', 'prints the report as JSON, one object a line')
    .option('--html <file>', 'writes the report as a page too')
    .addOption(
      new Option('--log-level <level>', 'least important level to log').choices(['debug', 'info', 'warn', 'error']).default('warn'),
    );

/**
 * Opens database, gateway and what else reconciliation needs for as long as `work` runs. The first Ctrl-C or SIGTERM
 * aborts the signal: what is on its way ends, and the same command goes on later.
 */
export const withReconciliation = (
  flags: ReconcileFlags,
  work: (session: { readonly reconciliation: Reconciliation; readonly signal: AbortSignal }) => Promise<void>,
): Promise<void> =>
  withDatabase(flags.config, async ({ config, orm }) => {
    await using opened = new AsyncDisposableStack();
    const logger = cliLogger({ level: flags.logLevel, name: `${config.owner}-reconcile` });
    const listeners = config.messageListeners ?? [];
    // A dry run connects to nobody.
    const compensations = flags.dryRun ? undefined : await composeCompensations(config, orm, logger);
    if (compensations !== undefined) opened.adopt(compensations, (composed) => composed.close());
    const calls = mysqlExternalCallStore(orm);
    const gateway = opened.adopt(createGateway({ ...config.gateway, origins: config.origins, store: calls, logger }), (created) =>
      created.close(),
    );
    const { chunk: rows, rate: perSecond } = flags;
    const base = { config, orm, logger, listeners, calls, gateway, inTransaction: compensations?.part, chunk: rows, rate: perSecond };
    const reconciliation = opened.adopt(composeReconciliation(base), (composed) => composed.close());
    const stop = new AbortController();
    const onSignal = (): void => stop.abort(new Error('stopped; the same command goes on where it was'));
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, onSignal);
      opened.defer(() => void process.off(name, onSignal));
    }
    await work({ reconciliation: reconciliation.part, signal: stop.signal });
  });

const UNITS: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses `--since`. */
export const since = (text: string): Since => {
  const [, count, unit] = /^(\d{1,6})(s|min|h|d)$/.exec(text) ?? [];
  if (count !== undefined) return { agoMs: Number(count) * UNITS[unit!]! };
  try {
    return { at: instant(text) };
  } catch {
    throw new InvalidArgumentError('It must look like 90min, 24h, 7d or 2026-01-31T08:00Z.');
  }
};

/** The moment it means, by the database's clock. */
export const sinceAt = (value: Since | undefined, now: Date): Date | undefined =>
  value === undefined ? undefined : 'at' in value ? value.at : new Date(now.getTime() - value.agoMs);
