/** Orders of a variant's next round, so that each round takes about as long on whatever machine. */
export interface RoundSize {
  /** Of the next round. */
  of(variant: string): number;
  /** What the last one came to. */
  was(variant: string, perSecond: number): void;
}

/** Rounds of about `ms`; the first, of a variant nobody knows yet, has `least` orders, as has every one that is slower than that. */
export const roundSize = (ms: number, least: number): RoundSize => {
  const rates = new Map<string, number>();
  return {
    of: (variant) => Math.max(least, Math.round(((rates.get(variant) ?? 0) * ms) / 1_000)),
    was: (variant, perSecond) => void rates.set(variant, perSecond),
  };
};
