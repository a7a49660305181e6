import { describe, expect, it } from 'vitest';
import { canEnd, RUN_STATUSES, statusesBefore } from '../../src/reconciliation/run-status.ts';
import { isOpen, OPEN_VERDICTS, VERDICTS, type Verdict } from '../../src/reconciliation/verdict.ts';

describe('RunStatus', () => {
  it('a run ends once, done or abandoned', () => {
    const moves = RUN_STATUSES.flatMap((from) => RUN_STATUSES.filter((to) => canEnd(from, to)).map((to) => `${from} ${to}`));
    expect(moves).toEqual(['RUNNING DONE', 'RUNNING ABANDONED']);
    expect(statusesBefore('DONE')).toEqual(['RUNNING']);
    expect(statusesBefore('RUNNING')).toEqual([]);
  });
});

describe('Verdict', () => {
  it('says of every verdict whether something is left to do', () => {
    const closed = (Object.keys(VERDICTS) as Verdict[]).filter((verdict) => !isOpen(verdict));
    expect(closed).toEqual(['SUCCESS', 'FAIL', 'SAGA', 'DEAD_LETTER', 'GONE']);
    expect([...OPEN_VERDICTS, ...closed].sort()).toEqual(Object.keys(VERDICTS).sort());
    // The column is that wide.
    expect(Math.max(...Object.keys(VERDICTS).map(({ length }) => length))).toBeLessThanOrEqual(24);
  });
});
