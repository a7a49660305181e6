import type { FoundBreak } from './break.ts';
import { BREAK_KINDS } from './break-state.ts';
import type { StatementReport, StatementRun, StatementStore, WantedStatementRun } from './statement-store.ts';

/** Breaks kept for the list of a dry run; all are counted. */
const MAX_KEPT = 10_000;

/** What a dry run would have found. */
export interface StatementPreview {
  readonly store: StatementStore;
  /** The first 10,000. */
  readonly found: readonly FoundBreak[];
  report(): StatementReport;
}

/** A store that writes nothing: it reads other days' breaks in `real`, and counts. */
export const previewStore = (real: Pick<StatementStore, 'missingOnOtherDays' | 'reconciledDays'>): StatementPreview => {
  const found: FoundBreak[] = [];
  const counts = new Map<string, { kind: FoundBreak['kind']; state: 'OPEN'; isLate: boolean; count: number }>();
  let run: StatementRun | undefined;
  let resolved = 0;
  const report = (): StatementReport => {
    if (run === undefined) throw new Error('nothing was compared');
    return {
      run: { ...run, isDone: false },
      counts: BREAK_KINDS.flatMap((kind) => [...counts.values()].filter((count) => count.kind === kind)),
      resolved,
      openElsewhere: 0,
    };
  };
  const unused = (): never => {
    throw new Error('a dry run decides nothing');
  };
  const store: StatementStore = {
    missingOnOtherDays: (of, references) => real.missingOnOtherDays(of, references),
    reconciledDays: (statement, days) => real.reconciledDays(statement, days),
    begin: async (wanted: WantedStatementRun) => (run = { ...wanted, id: 0, pass: 1 }),
    record: async (_run, breaks) => {
      for (const one of breaks) {
        const key = `${one.kind} ${one.isLate}`;
        const count = counts.get(key) ?? { kind: one.kind, state: 'OPEN', isLate: one.isLate, count: 0 };
        count.count += 1;
        counts.set(key, count);
        if (found.length < MAX_KEPT) found.push(one);
      }
    },
    resolveOnOtherDays: async (_run, ids) => void (resolved += ids.length),
    toSettle: async () => [],
    resolveWithin: unused,
    resolveGone: async () => 0,
    finish: async () => {},
    report: async () => report(),
    list: unused,
    history: unused,
    decide: unused,
  };
  return { store, found, report };
};
