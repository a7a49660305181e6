import { Command } from 'commander';
import { ConfigurationError } from '../../errors.ts';
import type { AnyMessageSource } from '../../reconciliation/message-source.ts';
import { type DeliveryContext, previewDelivery, reconcileDelivery } from '../../reconciliation/reconcile-delivery.ts';
import { type ReconciliationReport, reportOfPreview, reportOfRun } from '../../reconciliation/report.ts';
import { startProgress } from '../reconciliation/progress.ts';
import { writeReports } from '../reconciliation/write-reports.ts';
import { type ReconcileFlags, sinceAt, withReconciliation, withReconcileOptions } from './reconcile-session.ts';

/** `checkback reconcile delivery [source...]` */
export const reconcileDeliveryCommand = (): Command =>
  withReconcileOptions(
    new Command('delivery').description('publishes again what committed rows promised and no call exists for; one at a time of a source'),
  )
    .argument('[source...]', 'message sources of the configuration; default: all that have a rule for deliveries')
    .action((names: string[], flags: ReconcileFlags) =>
      withReconciliation(flags, async ({ reconciliation: { delivery, sources }, signal }) => {
        const reports: ReconciliationReport[] = [];
        for (const source of chosen(sources, names)) reports.push(await reconcile(source, delivery, flags, signal));
        await writeReports(reports, flags);
      }),
    );

const chosen = (sources: readonly AnyMessageSource[], names: readonly string[]): readonly AnyMessageSource[] => {
  for (const name of names) {
    if (!sources.some((source) => source.name === name))
      throw new ConfigurationError(`no message source "${name}" with a rule for deliveries`);
  }
  if (sources.length === 0)
    throw new ConfigurationError('no message source with a rule for deliveries: see defineMessageSource and "reconciliation.sources"');
  return names.length === 0 ? sources : sources.filter(({ name }) => names.includes(name));
};

const reconcile = async (
  source: AnyMessageSource,
  delivery: DeliveryContext,
  flags: ReconcileFlags,
  signal: AbortSignal,
): Promise<ReconciliationReport> => {
  const startedAt = await delivery.deliveries.now();
  const younger = sinceAt(flags.since, startedAt);
  // Counting goes through the rows as well: not for nobody.
  const total = process.stderr.isTTY ? await delivery.deliveries.count(source, { startedAt, since: younger }) : 0;
  const progress = startProgress(source.name, total);
  let looked = 0;
  const context: DeliveryContext = {
    ...delivery,
    onLooked: (rows) => {
      looked += rows;
      progress.add(rows);
    },
  };
  try {
    if (flags.dryRun) {
      const of = { kind: 'delivery' as const, name: source.name, startedAt, looked: () => looked };
      return await reportOfPreview(of, previewDelivery(source, younger, context));
    }
    const run = await reconcileDelivery(source, { since: flags.since }, context, signal);
    if (run === undefined) throw new Error(`somebody else is reconciling deliveries of "${source.name}" right now: nothing was done`);
    return await reportOfRun(delivery.runs, run);
  } finally {
    progress.stop();
  }
};
