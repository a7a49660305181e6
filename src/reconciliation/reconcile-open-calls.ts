import { inLanes } from './in-lanes.ts';
import type { OpenCallStore, ScanCursor } from './open-call-store.ts';
import { type ReconciliationLimits, resolveReconciliationLimits } from './reconciliation-options.ts';
import type { HeldRun, ReconciliationRunStore, RunItem, WantedRun } from './run-store.ts';
import { settleCall, type SettleContext } from './settle-call.ts';
import type { Verdict } from './verdict.ts';

export interface OpenCallsContext extends Omit<SettleContext, 'runs' | 'calls' | 'leaseMs'> {
  readonly runs: ReconciliationRunStore;
  readonly calls: OpenCallStore;
  readonly limits?: Partial<ReconciliationLimits> | undefined;
  /** Told after each call that has its verdict. */
  readonly onVerdict?: ((verdict: Verdict) => void) | undefined;
}

/**
 * Goes through everything that is open and drives each call as far as it can be driven now. Any number may run side by
 * side, with workers too: a call is asked about by one of them, when its time has come, and settled once. Killed at any
 * moment it is taken up where it was by the next call with the same `since`. Gives the number of the run; `undefined`
 * when its `tick` was run before. Rejects with the signal's reason, and with the database's error; the run then waits
 * to be taken up.
 */
export const reconcileOpenCalls = async (
  wanted: Pick<WantedRun, 'since' | 'tick'>,
  context: OpenCallsContext,
  signal: AbortSignal,
): Promise<number | undefined> => {
  const limits = resolveReconciliationLimits(context.limits ?? {});
  const run = await context.runs.take({ ...wanted, kind: 'open', name: '' });
  if (run === undefined) return undefined;
  try {
    await context.runs.purge(limits.keepItemsMs);
    await workRun(run, context, limits, signal);
    await context.runs.finish(run);
    return run.id;
  } finally {
    await run.release();
  }
};

const workRun = async (run: HeldRun, context: OpenCallsContext, limits: ReconciliationLimits, signal: AbortSignal): Promise<void> => {
  const { runs, calls } = context;
  const settling = { ...context, leaseMs: limits.leaseMs };
  const settle = async (items: readonly RunItem[], isPatient: boolean): Promise<void> => {
    const seen = await calls.look(items);
    await inLanes(items, limits.concurrency, async (item) => {
      // What was seen a moment ago saves a look; patience looks for itself, for it may begin long after.
      const verdict = await settleCall(item, isPatient ? undefined : seen.get(item.id), settling, { isPatient, signal });
      if (isPatient || verdict !== 'BUSY') context.onVerdict?.(verdict);
    });
  };
  const settleAll = async (page: { readonly verdict?: Verdict }, isPatient: boolean): Promise<void> => {
    for (let after = 0; ;) {
      const items = await runs.undecided(run, { ...page, after, limit: limits.chunk });
      if (items.length === 0) return;
      await settle(items, isPatient);
      after = items.at(-1)!.id;
    }
  };
  let cursor: ScanCursor = run.cursor;
  do {
    signal.throwIfAborted();
    cursor = await calls.claim(run, cursor, { limit: limits.chunk, idleAfterMs: limits.idleAfterMs });
    // With what a run that was killed had taken and not settled.
    await settleAll({}, false);
  } while (cursor !== undefined);
  await settleAll({ verdict: 'BUSY' }, true);
};
