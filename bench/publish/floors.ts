/** What two floors would give on the same cores if an order had to pass both: their times add up. */
export const harmonic = (a: number, b: number): number => 1 / (1 / a + 1 / b);

/** Round by round. */
export const perRound = (combine: (...values: number[]) => number, ...series: readonly (readonly number[])[]): number[] =>
  series[0]!.map((_, round) => combine(...series.map((values) => values[round]!)));
