import type { Break, ReconciliationRunStore, RunKind } from './run-store.ts';
import { VERDICTS, type Verdict } from './verdict.ts';

/** One thing left to do. */
export type BreakLine = Omit<Break, 'id'>;

/** What a run, or a dry run, found. The breaks are read when they are wanted, a page at a time. */
export interface ReconciliationReport {
  readonly kind: RunKind;
  /** Of the message source; empty for open calls. */
  readonly name: string;
  /** `undefined` of a dry run. */
  readonly runId: number | undefined;
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
  /** Calls, or rows, gone through. */
  readonly looked: number;
  readonly totals: Readonly<Partial<Record<Verdict, number>>>;
  breaks(): AsyncIterable<BreakLine>;
  /** Breaks that are counted and not kept. */
  readonly notKept: number;
}

const PAGE = 500;

/** The report of a run on record; the same whenever it is asked for, as long as its items are kept. */
export const reportOfRun = async (
  runs: Pick<ReconciliationRunStore, 'summary' | 'breaks'>,
  runId: number,
): Promise<ReconciliationReport> => {
  const { kind, name, startedAt, finishedAt, looked, totals } = await runs.summary(runId);
  async function* breaks(): AsyncGenerator<BreakLine> {
    for (let after = 0; ;) {
      const page = await runs.breaks(runId, { after, limit: PAGE });
      if (page.length === 0) return;
      for (const { id: _, ...line } of page) yield line;
      after = page.at(-1)!.id;
    }
  }
  return { kind, name, runId, startedAt, finishedAt, looked, totals, breaks, notKept: 0 };
};

/** Of a dry run that many breaks are kept; the rest is counted. */
const MAX_KEPT = 1_000;

/** The report of a dry run. `looked` is what `found` has gone through by its end. */
export const reportOfPreview = async (
  of: { readonly kind: RunKind; readonly name: string; readonly startedAt: Date; readonly looked: () => number },
  found: AsyncIterable<BreakLine>,
): Promise<ReconciliationReport> => {
  const totals: Partial<Record<Verdict, number>> = {};
  const kept: BreakLine[] = [];
  let notKept = 0;
  for await (const line of found) {
    totals[line.verdict] = (totals[line.verdict] ?? 0) + 1;
    if (!VERDICTS[line.verdict].isOpen) continue;
    if (kept.length < MAX_KEPT) kept.push(line);
    else notKept += 1;
  }
  async function* breaks(): AsyncGenerator<BreakLine> {
    yield* kept;
  }
  const { kind, name, startedAt, looked } = of;
  return { kind, name, runId: undefined, startedAt, finishedAt: undefined, looked: looked(), totals, breaks, notKept };
};

/** How much is left to do. */
export const countOpen = ({ totals }: Pick<ReconciliationReport, 'totals'>): number =>
  verdictsOf(totals).reduce((sum, { count, isOpen }) => sum + (isOpen ? count : 0), 0);

/** What was found, in the order of a report. */
export const verdictsOf = (totals: ReconciliationReport['totals']) =>
  (Object.keys(VERDICTS) as Verdict[]).flatMap((verdict) => {
    const count = totals[verdict] ?? 0;
    return count === 0 ? [] : [{ verdict, count, ...VERDICTS[verdict] }];
  });
