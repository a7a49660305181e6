import type { Chart } from './charts/chart.ts';

/** What every section is told. */
export interface BenchOptions {
  /** Few and short rounds: shows that the section works, not how fast anything is. */
  readonly isQuick: boolean;
  /** A database given by the environment; without it a section starts its own. */
  readonly mysqlUrl: string | undefined;
  /** One line for whoever waits. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** One kind of thing measured again and again: the middle value, and how far the others lie apart. */
export interface Measured {
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Half the distance between the quartiles, as a part of the median. */
  readonly spread: number;
  readonly repeats: readonly number[];
}

/** Variants side by side: a row each, one figure of all of them a column. */
export interface VariantTable {
  readonly title: string;
  readonly rows: Readonly<Record<string, Readonly<Record<string, Measured>>>>;
}

export interface SectionResult {
  /** The few figures that are promised; ratios have no unit. */
  readonly headline: Readonly<Record<string, number>>;
  /** What was done, so that somebody else can do it again. */
  readonly conditions: Readonly<Record<string, string | number>>;
  readonly measured: Readonly<Record<string, Measured>>;
  readonly tables?: readonly VariantTable[];
  readonly charts?: readonly Chart[];
}

/** Measures one thing. Starts what it needs and ends it, whatever happens. */
export type Section = (options: BenchOptions) => Promise<SectionResult>;
