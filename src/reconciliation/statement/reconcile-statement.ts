import { setImmediate } from 'node:timers/promises';
import type { FoundBreak, OurFigures, StatementBreak, TheirFigures } from './break.ts';
import { BREAK_KINDS } from './break-state.ts';
import { agrees, compareReference } from './compare.ts';
import { type DayWindow, dayOf, dayWindow } from './day-window.ts';
import type { AnyStatement } from './define-statement.ts';
import type { OurRows, ReferencedRow, RowCursor } from './our-rows.ts';
import { type Pair, Partitions } from './partitions.ts';
import { readStatement, type ReadResult } from './read-statement.ts';
import { settleByStatement, type SettleCall } from './settle-by-statement.ts';
import type { StatementRun, StatementStore } from './statement-store.ts';

/** Where a run is: lines read, rows of ours read, references compared. */
export type StatementPhase = 'lines' | 'rows' | 'compared';

export interface StatementContext {
  readonly store: StatementStore;
  readonly ours: OurRows;
  /** Gives an unknown call the outcome that the statement says; needed where the policy settles. */
  readonly settle?: SettleCall | undefined;
  /** Resolves when so many more lines or rows may be worked. Default: at once. */
  readonly turn?: ((count: number, signal: AbortSignal) => Promise<void>) | undefined;
  readonly onProgress?: ((phase: StatementPhase, count: number) => void) | undefined;
  /** Rows of a page and breaks of a transaction. Default 1,000. */
  readonly chunk?: number | undefined;
  /** Where the temporary files are. Default: the operating system's place. */
  readonly directory?: string | undefined;
}

export interface StatementInput {
  /** `YYYY-MM-DD`: the statement's day, by its own window. */
  readonly day: string;
  /** The file, read once; `undefined` for a statement that is fetched by page. */
  readonly bytes: AsyncIterable<Uint8Array> | undefined;
  /** Name of the file, for people. */
  readonly source: string;
  /** Leaves out lines booked and rows written before. Breaks that were open stay open then, since not all was looked at. */
  readonly since?: Date | undefined;
}

/** What a run did beyond what is on record. */
export interface StatementResult {
  /** Number of the run; `undefined` for a dry run. */
  readonly runId: number;
  readonly rowsPerSecond: number;
  readonly tookMs: number;
}

/**
 * Compares one statement with our rows of its day and writes the breaks down. Nothing is written before the whole
 * statement has been read and found sound. Memory does not grow with it; both sides go through temporary files. Killed at
 * any moment and run again it ends in the same state and the same report. Rejects with `StatementRefusedError` for a bad
 * statement, the signal's reason, and the database's error.
 */
export const reconcileStatement = async (
  statement: AnyStatement,
  input: StatementInput,
  context: StatementContext,
  signal: AbortSignal,
): Promise<StatementResult> => {
  const { store, chunk = 1_000 } = context;
  const startedAt = performance.now();
  const window = dayWindow(input.day, statement.window);
  using partitions = new Partitions(context.directory);
  const read = await takeLines(statement, input, context, partitions, signal);
  const rows = await takeRows(statement, window, input.since, context, partitions, signal);
  const { day, source, since } = input;
  const { name, call: callName, policy } = statement;
  const { lines, sha256, truncatedAt } = read;
  const run = await store.begin({ statement: name, callName, day, source, since, sha256, lines, rows, truncatedAt });
  let compared = 0;
  let candidates: Pair[] = [];
  const flush = async (): Promise<void> => {
    const pairs = candidates;
    candidates = [];
    if (pairs.length > 0) await store.record(run, await breaksOf(pairs, run, statement, window, context));
  };
  for (const pairs of partitions) {
    for (const pair of pairs) {
      if (compareReference(pair.reference, pair.lines, pair.ours, policy).length === 0) continue;
      if (candidates.push(pair) >= chunk) await flush();
    }
    // Lets signals and the connection in.
    await setImmediate();
    signal.throwIfAborted();
    compared += pairs.length;
    context.onProgress?.('compared', compared);
  }
  await flush();
  if (policy.settleOpen && context.settle !== undefined) await settleByStatement(run, context.settle, context, signal);
  if (policy.autoResolve && since === undefined) {
    const kinds = BREAK_KINDS.filter((kind) => truncatedAt === undefined || kind !== 'MISSING_THERE');
    while ((await store.resolveGone(run, kinds, chunk)) === chunk) signal.throwIfAborted();
  }
  await store.finish(run);
  const tookMs = performance.now() - startedAt;
  return { runId: run.id, rowsPerSecond: Math.round(((lines + rows) / tookMs) * 1_000), tookMs };
};

const takeLines = async (
  statement: AnyStatement,
  { bytes, day, since }: StatementInput,
  { turn, onProgress }: StatementContext,
  partitions: Partitions,
  signal: AbortSignal,
): Promise<ReadResult> => {
  let count = 0;
  return readStatement(
    statement,
    bytes === undefined ? { day } : { bytes },
    async (lines) => {
      for (const line of lines) if (since === undefined || line.bookedAt === undefined || line.bookedAt >= since) partitions.addLine(line);
      count += lines.length;
      onProgress?.('lines', count);
      await turn?.(lines.length, signal);
    },
    signal,
  );
};

const takeRows = async (
  statement: AnyStatement,
  window: DayWindow,
  since: Date | undefined,
  { ours, chunk = 1_000, turn, onProgress }: StatementContext,
  partitions: Partitions,
  signal: AbortSignal,
): Promise<number> => {
  const from = since !== undefined && since > window.from ? since : window.from;
  const lateFrom = window.to.getTime() - statement.policy.lateRowsMs;
  let count = 0;
  let cursor: RowCursor;
  do {
    signal.throwIfAborted();
    const { rows, next } = await ours.page(statement, { from, to: window.to }, cursor, chunk);
    for (const row of rows) partitions.addRow(row.reference, { ...row, isLate: row.writtenAt.getTime() >= lateFrom });
    count += rows.length;
    onProgress?.('rows', count);
    await turn?.(rows.length, signal);
    cursor = next;
  } while (cursor !== undefined);
  return count;
};

/** What is left of differences when other days are looked at too. */
const breaksOf = async (
  pairs: readonly Pair[],
  run: StatementRun,
  statement: AnyStatement,
  window: DayWindow,
  { store, ours }: StatementContext,
): Promise<readonly FoundBreak[]> => {
  const { policy } = statement;
  // Rows of another day, or written later than the statement says.
  const rows = byReference(
    await ours.find(
      statement,
      references(pairs, ({ ours: row }) => row === undefined),
    ),
  );
  const elsewhere = byReference(
    await store.missingOnOtherDays(
      run,
      references(pairs, () => true),
    ),
  );
  const ownDays = [...rows.values()].map(([row]) => dayOf(row!.writtenAt, statement.window));
  const reconciled = await store.reconciledDays(statement.name, [...new Set(ownDays)]);
  const found: FoundBreak[] = [];
  const gone: number[] = [];
  for (const pair of pairs) {
    const { reference, lines } = pair;
    const earlier = elsewhere.get(reference) ?? [];
    if (lines.length === 0) {
      const explained = earlier.find(({ kind, theirs }) => kind === 'MISSING_HERE' && theirs && agrees(theirs, pair.ours!, policy));
      if (explained !== undefined) gone.push(...openOnes([explained]));
      // Nothing can be said about what a truncated statement does not have.
      else if (run.truncatedAt === undefined) found.push(...compareReference(reference, lines, pair.ours, policy));
      continue;
    }
    const row = pair.ours === undefined ? rows.get(reference)?.[0] : undefined;
    const differences = compareReference(reference, lines, pair.ours ?? (row && { ...row, isLate: false }), policy);
    if (row !== undefined) {
      const missed = earlier.filter(({ kind }) => kind === 'MISSING_THERE');
      gone.push(...openOnes(missed));
      if (missed.length === 0 && isBookedBefore(row, window, reconciled, statement))
        differences.push(bookedAgain(reference, lines, row, differences));
    }
    found.push(...differences);
  }
  if (policy.autoResolve) await store.resolveOnOtherDays(run, gone, `the statement of ${run.day} agrees`);
  return found;
};

/** Its own day is over, and that day's statement had it too: no break says otherwise. */
const isBookedBefore = (
  { writtenAt }: ReferencedRow,
  window: DayWindow,
  reconciled: ReadonlySet<string>,
  { window: rule }: AnyStatement,
): boolean => writtenAt < window.from && reconciled.has(dayOf(writtenAt, rule));

const bookedAgain = (reference: string, lines: readonly TheirFigures[], row: OurFigures, others: readonly FoundBreak[]): FoundBreak => {
  const { amountMinor, currency, status } = row;
  const occurrence = others.filter(({ kind }) => kind === 'DUPLICATE_THERE').length + 1;
  return { kind: 'DUPLICATE_THERE', reference, occurrence, theirs: lines[0], ours: { amountMinor, currency, status }, isLate: false };
};

const openOnes = (breaks: readonly StatementBreak[]): number[] =>
  breaks.filter(({ standing }) => standing.state === 'OPEN').map(({ id }) => id);

const references = (pairs: readonly Pair[], wanted: (pair: Pair) => boolean): string[] =>
  pairs.filter(wanted).map(({ reference }) => reference);

function byReference<T extends { readonly reference: string }>(of: readonly T[]): ReadonlyMap<string, readonly T[]> {
  return Map.groupBy(of, ({ reference }) => reference);
}
