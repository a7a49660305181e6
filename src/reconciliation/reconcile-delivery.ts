import type { OutgoingMessage } from '../broker/message.ts';
import { InvalidMessageError } from '../errors.ts';
import { messageOf } from '../shared/error-message.ts';
import type { DeliveryStanding, DeliveryStore, TakenPage } from './delivery-store.ts';
import type { AnyMessageSource } from './message-source.ts';
import { type MessageParts, rebuildMessage } from './rebuild-message.ts';
import { type ReconciliationLimits, resolveReconciliationLimits } from './reconciliation-options.ts';
import type { HeldRun, ReconciliationRunStore, RunItem, WantedRun } from './run-store.ts';
import type { Verdict } from './verdict.ts';

export interface DeliveryContext {
  readonly runs: ReconciliationRunStore;
  readonly deliveries: DeliveryStore;
  readonly parts: MessageParts;
  /**
   * Resolved means delivered sooner or later, into topics of any type: a half and its COMMIT where it takes no ordinary
   * message. Sending twice delivers twice, under the same idempotency key.
   */
  readonly send: (message: OutgoingMessage) => Promise<void>;
  /** Resolves when the next message may be sent. */
  readonly turn: (signal: AbortSignal) => Promise<void>;
  readonly limits?: Partial<ReconciliationLimits> | undefined;
  /** Told after each page, with the rows gone through. */
  readonly onLooked?: ((rows: number) => void) | undefined;
}

/**
 * Publishes again what committed rows promised and no call exists for: a half message the broker parked, a message that
 * was lost. Rows are gone through by primary key. A message looks as its first one did, so that whoever had it after all
 * drops this one; what was published again a short time ago, and what is a dead letter, is not. One run of a source at a
 * time: `undefined` when somebody else has it, or its `tick` was run before. Killed at any moment it is taken up where it
 * was. Rejects with the broker's or the database's error; the run then waits to be taken up.
 */
export const reconcileDelivery = async (
  source: AnyMessageSource,
  wanted: Pick<WantedRun, 'since' | 'tick'>,
  context: DeliveryContext,
  signal: AbortSignal,
): Promise<number | undefined> => {
  const limits = resolveReconciliationLimits(context.limits ?? {});
  const { runs, deliveries } = context;
  const run = await runs.take({ ...wanted, kind: 'delivery', name: source.name });
  if (run === undefined) return undefined;
  try {
    await runs.purge(limits.keepItemsMs);
    if (run.isResumed) await publishMissing(run, source, context, limits, signal);
    let cursor = run.cursor;
    // The run that was killed had gone through all pages.
    while (cursor !== END) {
      signal.throwIfAborted();
      const { startedAt, since } = run;
      const { rows, next } = await deliveries.page(source, { startedAt, since, cursor, limit: limits.chunk });
      const missing = await missingOf(source, rows, context, run.id);
      cursor = next ?? END;
      await deliveries.take(run, source, { looked: rows.length, missing, next: cursor });
      await publishMissing(run, source, context, limits, signal);
      context.onLooked?.(rows.length);
    }
    await runs.finish(run);
    return run.id;
  } finally {
    await run.release();
  }
};

/** A cursor behind everything. */
const END = 'end';

type Missing = TakenPage['missing'][number];

const missingOf = async (
  source: AnyMessageSource,
  rows: readonly object[],
  { deliveries, parts }: Pick<DeliveryContext, 'deliveries' | 'parts'>,
  runId: number | undefined,
): Promise<readonly Missing[]> => {
  const missing: Missing[] = [];
  const keys: string[] = [];
  for (const [nth, row] of rows.entries()) {
    try {
      keys.push((await rebuildMessage(source, row, parts)).idempotencyKey);
    } catch (error) {
      missing.push({ idempotencyKey: nameOf(row, nth), verdict: 'UNBUILDABLE', why: messageOf(error) });
    }
  }
  const standings = await deliveries.standings(source, keys, runId);
  for (const idempotencyKey of keys) {
    const standing: DeliveryStanding = standings.get(idempotencyKey) ?? 'MISSING';
    if (standing !== 'CALL') missing.push({ idempotencyKey, verdict: standing === 'MISSING' ? undefined : standing });
  }
  return missing;
};

/** Of a row nobody knows the key of: something to find it by. */
const nameOf = (row: object, nth: number): string => {
  const [id] = Object.values(row) as unknown[];
  return (typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint' ? `row ${id}` : `row ${nth} of its page`).slice(
    0,
    128,
  );
};

/** Publishes what the run has taken and not published yet. */
const publishMissing = async (
  run: HeldRun,
  source: AnyMessageSource,
  context: DeliveryContext,
  limits: ReconciliationLimits,
  signal: AbortSignal,
): Promise<void> => {
  for (;;) {
    const items = await context.runs.undecided(run, { after: 0, limit: limits.chunk });
    if (items.length === 0) return;
    for (const item of items) await publish(item, source, context, signal);
  }
};

const publish = async (item: RunItem, source: AnyMessageSource, context: DeliveryContext, signal: AbortSignal): Promise<void> => {
  const { runs, deliveries, parts, send, turn } = context;
  const row = await deliveries.rowOf(source, item);
  if (row === null || row === undefined) return runs.decide(item, 'GONE', 'its row is gone');
  let message: OutgoingMessage;
  try {
    const rebuilt = await rebuildMessage(source, row, parts);
    if (rebuilt.idempotencyKey !== item.idempotencyKey) throw new InvalidMessageError('rowOf finds the row of another key');
    message = rebuilt.message;
  } catch (error) {
    return runs.decide(item, 'UNBUILDABLE', messageOf(error));
  }
  await turn(signal);
  signal.throwIfAborted();
  // Killed after this and before the next line, it is sent once more: whoever has had it drops it by its key.
  await send(message);
  await runs.decide(item, 'REPUBLISHED');
};

/** What `reconcileDelivery` would find; nothing is sent or written. */
export async function* previewDelivery(
  source: AnyMessageSource,
  since: Date | undefined,
  context: Pick<DeliveryContext, 'deliveries' | 'parts' | 'limits' | 'onLooked'>,
): AsyncGenerator<{
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly verdict: Verdict;
  readonly why: string | undefined;
}> {
  const { chunk: limit } = resolveReconciliationLimits(context.limits ?? {});
  const startedAt = await context.deliveries.now();
  let cursor: string | undefined;
  do {
    const { rows, next } = await context.deliveries.page(source, { startedAt, since, cursor, limit });
    for (const { idempotencyKey, verdict = 'WOULD_REPUBLISH', why } of await missingOf(source, rows, context, undefined))
      yield { callName: source.listener.call.name, idempotencyKey, verdict, why };
    context.onLooked?.(rows.length);
    cursor = next;
  } while (cursor !== undefined);
}
