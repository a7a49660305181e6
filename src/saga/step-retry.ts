/** When a step that certainly had no effect is tried again, and how often. */
export interface StepRetry {
  /**
   * Tries of one direction of a step, the first one counted, that ended without an effect. Waiting for an outcome, for
   * somebody else's attempt or for an open circuit counts for nothing. After the last one an action is given up and the
   * saga compensates; a compensation, or a step that only ever threw, is parked for a person. Default 10.
   */
  readonly maxAttempts: number;
  /** Ceiling of the first pause in milliseconds; each further one doubles it, with full jitter. Default 1 s. */
  readonly baseMs: number;
  /** Ceiling of every pause in milliseconds. Default 5 min. */
  readonly maxMs: number;
}

export const DEFAULT_STEP_RETRY: StepRetry = Object.freeze({ maxAttempts: 10, baseMs: 1_000, maxMs: 300_000 });

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export function resolveStepRetry(of: string, options: Partial<StepRetry> = {}): StepRetry {
  const resolved: StepRetry = { ...DEFAULT_STEP_RETRY, ...options };
  for (const [option, value] of Object.entries(resolved) as [string, unknown][]) {
    if (!(option in DEFAULT_STEP_RETRY)) throw new RangeError(`${of}: retry.${option} is not an option (it is ${String(value)})`);
    if (!Number.isSafeInteger(value) || (value as number) < 1)
      throw new RangeError(`${of}: retry.${option} must be a whole number of at least 1, it is ${String(value)}`);
  }
  if (resolved.maxMs < resolved.baseMs)
    throw new RangeError(`${of}: retry.maxMs must be at least retry.baseMs (${resolved.baseMs}), it is ${resolved.maxMs}`);
  return Object.freeze(resolved);
}

/** Anything from 0 to the ceiling of the n-th pause, n from 1. `random` gives a number in [0, 1). */
export const pauseMs = (nth: number, { baseMs, maxMs }: StepRetry, random: () => number): number =>
  Math.floor(random() * Math.min(maxMs, baseMs * 2 ** Math.max(0, nth - 1)));
