import type { EntityManager } from '@mikro-orm/core';
import type { BreakDecision, StatementRun, StatementStore } from './statement-store.ts';

/**
 * Gives a call of unknown outcome the one that a statement says, as a person's word would: its row moves, the listener's
 * `onSuccess` or `onFail` runs, and `within`, in one transaction and once. False, and nothing is changed, when the call
 * is not unknown any more, or there is no status check with its message, or no listener for it.
 */
export type SettleCall = (
  call: { readonly callName: string; readonly idempotencyKey: string; readonly to: 'SUCCESS' | 'FAIL' },
  decision: BreakDecision,
  within: (em: EntityManager) => Promise<void>,
) => Promise<boolean>;

/** Settles what a run found UNKNOWN here and ended there; amounts that differ stay with a person. */
export const settleByStatement = async (
  run: StatementRun,
  settle: SettleCall,
  {
    store,
    turn,
    chunk = 1_000,
  }: { store: StatementStore; turn?: ((count: number, signal: AbortSignal) => Promise<void>) | undefined; chunk?: number | undefined },
  signal: AbortSignal,
): Promise<void> => {
  const decision = { by: `statement ${run.statement}`, why: `the statement of ${run.day} says so` };
  for (let after = 0; ;) {
    const page = await store.toSettle(run, { after, limit: chunk });
    for (const { id, callName, reference: idempotencyKey, theirs } of page) {
      await turn?.(1, signal);
      signal.throwIfAborted();
      const to = theirs!.status as 'SUCCESS' | 'FAIL';
      await settle({ callName, idempotencyKey, to }, decision, (em) => store.resolveWithin(em, run, id, decision));
      after = id;
    }
    if (page.length < chunk) return;
  }
};
