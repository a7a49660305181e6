import { describe, expect, it } from 'vitest';
import { barsOf, stackedBars } from '../../bench/charts/from-table.ts';
import { drawChart } from '../../bench/charts/svg.ts';
import { measured } from '../../bench/measure.ts';
import { describe as describeSection } from '../../bench/readme.ts';

const table = {
  title: 'Saturated',
  rows: {
    halfMessage: { rate: measured('orders/s', [90, 100, 110]), redoBytes: measured('bytes/order', [400]) },
    'a < b & "c"': {
      rate: measured('orders/s', [50]),
      redoBytes: measured('bytes/order', [800]),
      binlogBytes: measured('bytes/order', [200]),
    },
  },
};

describe('charts', () => {
  it('show a column of a table with the range of its rounds', () => {
    const chart = barsOf(table, 'rate', { name: 'rate', title: 'Rate' });
    expect(chart).toMatchObject({
      unit: 'orders/s',
      parts: ['rate'],
      bars: [{ label: 'halfMessage', values: [100], range: [90, 110] }, {}],
    });
  });

  it('leave out rows that have no figure, and stack columns with nothing where there is none', () => {
    expect(barsOf(table, 'binlogBytes', { name: 'b', title: 'B' }).bars).toHaveLength(1);
    const chart = stackedBars(table, { redoBytes: 'redo', binlogBytes: 'binlog' }, { name: 'bytes', title: 'Bytes' });
    expect(chart.bars.map(({ values }) => values)).toEqual([
      [400, 0],
      [800, 200],
    ]);
  });

  it('draw the longest bar over the whole width and the others in proportion', () => {
    const svg = drawChart({ kind: 'bars', name: 'n', title: 'T', unit: 'u', parts: ['p'], bars: [bar('a', 50), bar('b', 100)] });
    const widths = [...svg.matchAll(/<rect class="p0" [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect(widths[0]! * 2).toBeCloseTo(widths[1]!);
  });

  it('draw a line from its first point to its last', () => {
    const svg = drawChart({
      kind: 'line',
      name: 'n',
      title: 'T',
      unit: 'u',
      along: 'orders',
      points: [
        [0, 1],
        [10, 2],
      ],
    });
    expect(/points="([^"]*)"/.exec(svg)?.[1]?.split(' ')).toHaveLength(2);
  });

  it('carry their own colours for light and dark pages, and escape what they say', () => {
    const svg = drawChart(barsOf(table, 'rate', { name: 'rate', title: 'Rate <b>' }));
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg).toContain('a &lt; b &amp; &quot;c&quot;');
    expect(svg).not.toContain('<b>');
  });

  it('are drawn of nothing without a division by zero', () => {
    expect(drawChart({ kind: 'bars', name: 'n', title: 'T', unit: 'u', parts: ['p'], bars: [bar('a', 0)] })).not.toMatch(/NaN|Infinity/);
  });
});

describe('a section of the page', () => {
  it('shows the charts by their files, and the variants down with their figures across', () => {
    const page = describeSection({
      section: 'strategies',
      measuredAt: '2026-01-31T00:00:00Z',
      tookS: 1,
      machine: {},
      headline: {},
      conditions: {},
      measured: {},
      tables: [table],
      charts: [barsOf(table, 'rate', { name: 'strategies-rate', title: 'Rate' })],
    });
    expect(page).toContain('![Rate](results/strategies-rate.svg)');
    expect(page).toContain('|  | rate, orders/s | redo bytes, bytes/order | binlog bytes, bytes/order |');
    expect(page).toContain('| half message | 100 ± 5 % | 400 |  |');
  });
});

const bar = (label: string, value: number) => ({ label, values: [value] });
