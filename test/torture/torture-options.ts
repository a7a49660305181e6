export interface TortureOptions {
  readonly seed: number;
  /** How long the nemesis strikes, and over how long the orders are spread. */
  readonly seconds: number;
  readonly orders: number;
  /** The unsafe variant the producers are built with. */
  readonly unsafe: string | undefined;
  /** The unsafe variant whose orders are published; the same as `unsafe`, or alone for a control. */
  readonly workload: string | undefined;
  readonly isSteady: boolean;
  readonly hasNemesis: boolean;
  /** Producer processes. */
  readonly producers: number;
  readonly signal: AbortSignal;
  readonly onNews: (line: string) => void;
}

/** Milliseconds until the broker's first check-back; `undefined`: the 1,000 of the test profile, for races by the dozen. */
export function transactionTimeoutOf({ isSteady, hasNemesis }: TortureOptions): number | undefined {
  if (isSteady) return 6_000;
  // Below what slow and frozen transactions take, above what ordinary ones take on a machine that is this busy.
  return hasNemesis ? 2_000 : undefined;
}
