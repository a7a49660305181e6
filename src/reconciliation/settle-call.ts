import type { ReceivedMessage } from '../broker/message.ts';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/error-message.ts';
import type { ClaimedCheck, StatusCheckStore } from '../status-check/status-check-store.ts';
import type { AnyMessageSource } from './message-source.ts';
import { type Known, nextStep } from './next-step.ts';
import type { CallStanding, OpenCallStore } from './open-call-store.ts';
import { asReceived, type MessageParts, rebuildMessage } from './rebuild-message.ts';
import type { ReconciliationRunStore, RunItem } from './run-store.ts';
import type { Verdict } from './verdict.ts';

/** The row behind a call, read on the primary. */
export type ReadRow = (
  source: AnyMessageSource,
  call: { readonly idempotencyKey: string; readonly correlationId: string | undefined },
) => Promise<object | null | undefined>;

/** What settling works with. */
export interface SettleContext extends Known {
  readonly runs: Pick<ReconciliationRunStore, 'decide'>;
  readonly calls: Pick<OpenCallStore, 'look'>;
  readonly checks: Pick<StatusCheckStore, 'schedule' | 'claimOne'>;
  /** Asks about one claimed call and applies the answer, as the status checker does. */
  readonly check: (claimed: ClaimedCheck, signal: AbortSignal) => Promise<void>;
  readonly readRow: ReadRow;
  readonly parts: MessageParts;
  /** Resolves when the next question may be asked. */
  readonly turn: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly leaseMs: number;
}

/** Somebody who takes a call again and again while we look is working on it. */
const MAX_STEPS = 8;

/**
 * Drives one call as far as it can be driven now, and writes its verdict down. With `isPatient` it waits for whoever
 * works on the call; without, the verdict is BUSY for the time being. The institution is asked only when the call's
 * status check is due, and only by the holder of its lease. Rejects when the signal aborts or the database fails: there
 * is no verdict then, and the run can go on later.
 */
export const settleCall = async (
  item: RunItem,
  seen: CallStanding | undefined,
  context: SettleContext,
  { isPatient, signal }: { readonly isPatient: boolean; readonly signal: AbortSignal },
): Promise<Verdict> => {
  const decide = async (verdict: Verdict, why?: string): Promise<Verdict> => {
    await context.runs.decide(item, verdict, why);
    return verdict;
  };
  let standing = seen;
  for (let steps = 0; steps < MAX_STEPS; steps += 1) {
    signal.throwIfAborted();
    standing ??= (await context.calls.look([item])).get(item.id);
    if (standing === undefined) return decide('GONE', 'its row is no longer there');
    const step = nextStep(standing, context);
    if (step.kind === 'verdict') return decide(step.verdict, step.why);
    if (step.kind === 'wait') {
      if (!isPatient) return decide('BUSY');
      await context.clock.sleep(Math.min(step.ms, context.leaseMs) + 1, signal);
    } else if (step.kind === 'rebuild') {
      const failure = await keep(standing, step.source, context);
      if (failure !== undefined) return decide('NO_MESSAGE', failure);
    } else {
      await ask(standing, context, signal);
    }
    standing = undefined;
  }
  return decide('BUSY');
};

const ask = async ({ callName, idempotencyKey }: CallStanding, context: SettleContext, signal: AbortSignal): Promise<void> => {
  await context.turn(signal);
  // Due now, and nobody else's: what others asked meanwhile is not asked again.
  const claimed = await context.checks.claimOne({ callName, idempotencyKey }, { leaseMs: context.leaseMs, earlyMs: 0 });
  if (claimed !== undefined) await context.check(claimed, signal);
};

/** Gives the call a status check, with its message from the rows; a sentence when that cannot be done. */
const keep = async (standing: CallStanding, source: AnyMessageSource, context: SettleContext): Promise<string | undefined> => {
  const { callName, idempotencyKey, correlationId, openForMs } = standing;
  const found = await messageOfCall(standing, source, context);
  if ('missing' in found) return found.missing;
  const { call, name: listener } = source.listener;
  const afterMs = call.statusCheck?.afterMs;
  await context.checks.schedule({
    callName,
    idempotencyKey,
    listener,
    correlationId,
    message: found.message,
    errorCode: undefined,
    // It has been open for a while already.
    afterMs: afterMs === undefined ? undefined : Math.max(0, afterMs - openForMs),
  });
  return undefined;
};

/** A call's message, from the business's rows; a sentence where there is none. Changes nothing. */
export const messageOfCall = async (
  { idempotencyKey, correlationId }: CallStanding,
  source: AnyMessageSource,
  { readRow, parts }: Pick<SettleContext, 'readRow' | 'parts'>,
): Promise<{ readonly message: ReceivedMessage } | { readonly missing: string }> => {
  try {
    const row = await readRow(source, { idempotencyKey, correlationId });
    if (row === null || row === undefined) return { missing: `message source "${source.name}" finds no row for it` };
    const rebuilt = await rebuildMessage(source, row, parts, correlationId);
    if (rebuilt.idempotencyKey !== idempotencyKey) return { missing: `message source "${source.name}" finds the row of another key` };
    return { message: asReceived(rebuilt.message) };
  } catch (error) {
    return { missing: `message source "${source.name}": ${messageOf(error)}` };
  }
};
