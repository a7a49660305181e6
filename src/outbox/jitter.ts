/** Exponential backoff with full jitter: anything from 0 to a ceiling that doubles from `firstMs` at attempt 1 up to `lastMs`. */
export const jittered = (firstMs: number, lastMs: number, attempt: number, random: () => number): number =>
  random() * Math.min(lastMs, firstMs * 2 ** Math.min(attempt - 1, 30));
