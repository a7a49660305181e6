/** What a chart shows, as it is kept with the results; svg.ts draws it. */
export type Chart = BarChart | LineChart;

interface ChartBase {
  /** Of its file: results/<name>.svg. */
  readonly name: string;
  readonly title: string;
  readonly unit: string;
}

/** A bar each, from 0; one of several parts is stacked. */
export interface BarChart extends ChartBase {
  readonly kind: 'bars';
  /** Names of the parts; one name and no legend where there is nothing to tell apart. */
  readonly parts: readonly string[];
  readonly bars: readonly {
    readonly label: string;
    readonly values: readonly number[];
    /** Least and most of the rounds, for bars of one part. */
    readonly range?: readonly [number, number];
  }[];
}

/** One value along another. */
export interface LineChart extends ChartBase {
  readonly kind: 'line';
  readonly along: string;
  readonly points: readonly (readonly [number, number])[];
}
