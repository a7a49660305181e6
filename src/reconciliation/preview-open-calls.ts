import { nextStep } from './next-step.ts';
import type { CallStanding, ScanCursor } from './open-call-store.ts';
import type { OpenCallsContext } from './reconcile-open-calls.ts';
import { resolveReconciliationLimits } from './reconciliation-options.ts';
import type { BreakLine } from './report.ts';
import { messageOfCall } from './settle-call.ts';

type PreviewContext = Pick<OpenCallsContext, 'calls' | 'listeners' | 'sources' | 'readRow' | 'parts' | 'limits'>;

/** What `reconcileOpenCalls` would find, page by page; nobody is asked and nothing is written. */
export async function* previewOpenCalls(since: Date | undefined, context: PreviewContext): AsyncGenerator<BreakLine> {
  const { chunk: limit, idleAfterMs } = resolveReconciliationLimits(context.limits ?? {});
  let cursor: ScanCursor;
  do {
    const { standings, next } = await context.calls.scan(since, cursor, { limit, idleAfterMs });
    for (const standing of standings) {
      const { callName, idempotencyKey } = standing;
      yield { callName, idempotencyKey, ...(await foresee(standing, context)) };
    }
    cursor = next;
  } while (cursor !== undefined);
}

const foresee = async (standing: CallStanding, context: PreviewContext): Promise<Pick<BreakLine, 'verdict' | 'why'>> => {
  const step = nextStep(standing, context);
  switch (step.kind) {
    case 'verdict':
      return { verdict: step.verdict, why: step.why };
    case 'wait':
      return { verdict: 'BUSY', why: undefined };
    case 'ask':
      return { verdict: 'WOULD_ASK', why: undefined };
    case 'rebuild': {
      const found = await messageOfCall(standing, step.source, context);
      if ('missing' in found) return { verdict: 'NO_MESSAGE', why: found.missing };
      const { statusCheck } = step.source.listener.call;
      if (statusCheck === undefined) return { verdict: 'REVIEW', why: 'its call has no status check' };
      return { verdict: statusCheck.afterMs <= standing.openForMs ? 'WOULD_ASK' : 'WAITING', why: undefined };
    }
  }
};
