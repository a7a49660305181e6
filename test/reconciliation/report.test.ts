import { describe, expect, it } from 'vitest';
import { escapeHtml } from '../../src/cli/reconciliation/html-page.ts';
import { renderHtml } from '../../src/cli/reconciliation/render-html.ts';
import { renderJson } from '../../src/cli/reconciliation/render-json.ts';
import { renderTable } from '../../src/cli/reconciliation/render-table.ts';
import { since, sinceAt } from '../../src/cli/commands/reconcile-session.ts';
import { type BreakLine, countOpen, type ReconciliationReport, reportOfPreview, reportOfRun } from '../../src/reconciliation/report.ts';
import { readAll } from './support/read-all.ts';

const EVIL = `<script>alert("1")</script>'&\u202e`;
const lines: BreakLine[] = [{ callName: 'charge', idempotencyKey: EVIL, verdict: 'REVIEW', why: `"><img src=x onerror=1>` }];
const report = (changes: Partial<ReconciliationReport> = {}): ReconciliationReport => ({
  kind: 'delivery',
  name: '<b>',
  runId: 7,
  startedAt: new Date(0),
  finishedAt: new Date(1),
  looked: 12,
  totals: { SUCCESS: 10, SAGA: 1, REVIEW: 1 },
  breaks: async function* () {
    yield* lines;
  },
  notKept: 0,
  ...changes,
});
const text = async (pieces: AsyncIterable<string>): Promise<string> => (await readAll(pieces)).join('');

describe('ReconciliationReport', () => {
  it('counts what is left to do', () => {
    expect(countOpen(report())).toBe(1);
    expect(countOpen(report({ totals: { SUCCESS: 10, SAGA: 1 } }))).toBe(0);
  });

  it('as a page loads nothing, runs nothing, and escapes everything', async () => {
    const page = await text(renderHtml([report()]));
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).not.toMatch(/<script|<img|<b>|https?:|\u202e|onerror=1>[^&]/);
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;');
    expect(page).toContain('<p class="left">1 left to do</p>');
    expect(page.match(/<(table|tbody|thead|tr|section|td|th)\b/g)!.length).toBe(
      page.match(/<\/(table|tbody|thead|tr|section|td|th)>/g)!.length,
    );
    expect(await text(renderHtml([report({ totals: {} })]))).toContain('Nothing is left open');
    expect(escapeHtml(`<>&"'`)).toBe('&lt;&gt;&amp;&quot;&#39;');
  });

  it('as JSON is one object on one line', async () => {
    const json = await text(renderJson(report()));
    expect(json.trimEnd()).not.toContain('\n');
    expect(JSON.parse(json)).toEqual({
      kind: 'delivery',
      name: '<b>',
      runId: 7,
      isDryRun: false,
      startedAt: '1970-01-01T00:00:00.000Z',
      finishedAt: '1970-01-01T00:00:00.001Z',
      looked: 12,
      totals: { SUCCESS: 10, SAGA: 1, REVIEW: 1 },
      open: 1,
      notKept: 0,
      breaks: lines,
    });
  });

  it('as a table says what was found in words, and moves no cursor', async () => {
    const table = await text(renderTable(report({ totals: { SUCCESS: 10, SAGA: 1, REVIEW: 1 }, notKept: 3 })));
    expect(table).toMatch(/12 {2}rows looked at/);
    expect(table).toMatch(/10 {2}settled: SUCCESS\n.*1 {2}left to its saga.*\n.*1 {2}break: waits for a person/);
    expect(table).toContain('\u{fffd}');
    expect(table).toContain('and 3 more');
  });

  it('of a run reads its breaks page by page', async () => {
    const pages: number[] = [];
    const runs = {
      summary: async () => ({ ...report(), id: 7, status: 'DONE' as const }),
      breaks: async (_id: number, { after }: { after: number; limit: number }) => {
        pages.push(after);
        return after >= 3 ? [] : [{ ...lines[0]!, id: after + 1 }];
      },
    };
    expect(await readAll((await reportOfRun(runs, 7)).breaks())).toEqual([lines[0], lines[0], lines[0]]);
    expect(pages).toEqual([0, 1, 2, 3]);
  });

  it('of a dry run keeps a thousand breaks and counts the rest', async () => {
    const found = async function* (): AsyncGenerator<BreakLine> {
      for (let nth = 0; nth < 1_005; nth += 1) yield { ...lines[0]!, idempotencyKey: `${nth}` };
      yield { ...lines[0]!, verdict: 'SAGA' };
    };
    const of = await reportOfPreview({ kind: 'open', name: '', startedAt: new Date(0), looked: () => 1_006 }, found());
    expect(of).toMatchObject({ totals: { REVIEW: 1_005, SAGA: 1 }, notKept: 5, looked: 1_006, runId: undefined });
    expect(await readAll(of.breaks())).toHaveLength(1_000);
  });
});

describe('--since', () => {
  it.each([
    ['90s', 90_000],
    ['90min', 5_400_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('%s is that long ago, by the database', (said, agoMs) => {
    expect(since(said)).toEqual({ agoMs });
    expect(sinceAt(since(said), new Date(1e12))).toEqual(new Date(1e12 - agoMs));
  });

  it('takes a moment, in UTC where it says no zone', () => {
    expect(sinceAt(since('2026-01-31T08:00Z'), new Date())).toEqual(new Date('2026-01-31T08:00:00Z'));
    expect(since('2026-01-31')).toEqual({ at: new Date('2026-01-31T00:00:00Z') });
    expect(sinceAt(undefined, new Date())).toBeUndefined();
  });

  it.each(['yesterday', '5', '5m', '-1h', '1.5h'])('refuses %s', (said) => {
    expect(() => since(said)).toThrow(/must look like 90min/);
  });
});
