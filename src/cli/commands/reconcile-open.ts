import { Command } from 'commander';
import { previewOpenCalls } from '../../reconciliation/preview-open-calls.ts';
import { reconcileOpenCalls } from '../../reconciliation/reconcile-open-calls.ts';
import { type BreakLine, reportOfPreview, reportOfRun } from '../../reconciliation/report.ts';
import { startProgress } from '../reconciliation/progress.ts';
import { writeReports } from '../reconciliation/write-reports.ts';
import { type ReconcileFlags, sinceAt, withReconciliation, withReconcileOptions } from './reconcile-session.ts';

/** `checkback reconcile open` */
export const reconcileOpenCommand = (): Command =>
  withReconcileOptions(
    new Command('open').description(
      'asks after every call that is open and due, and records what the institutions say; as many at once as you like',
    ),
  ).action((flags: ReconcileFlags) =>
    withReconciliation(flags, async ({ reconciliation: { open, delivery }, signal }) => {
      const now = await delivery.deliveries.now();
      const younger = sinceAt(flags.since, now);
      const progress = startProgress('open calls', await open.calls.count(younger));
      try {
        if (flags.dryRun) {
          let looked = 0;
          const counted = async function* (): AsyncGenerator<BreakLine> {
            for await (const line of previewOpenCalls(younger, open)) {
              looked += 1;
              progress.add(1);
              yield line;
            }
          };
          const report = await reportOfPreview({ kind: 'open', name: '', startedAt: now, looked: () => looked }, counted());
          progress.stop();
          return await writeReports([report], flags);
        }
        const run = await reconcileOpenCalls({ since: flags.since }, { ...open, onVerdict: () => progress.add(1) }, signal);
        progress.stop();
        // Without a schedule's moment there is always one.
        await writeReports([await reportOfRun(open.runs, run!)], flags);
      } finally {
        progress.stop();
      }
    }),
  );
