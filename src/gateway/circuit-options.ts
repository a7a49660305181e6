/** When an institution counts as failing, and how long it is left alone then. */
export interface CircuitOptions {
  /**
   * Failures without an answer between them that open the circuit. Default 10. Time-outs of calls made at once end together,
   * so an institution that only fails some of them may reach this too; being held back costs a message time, never an attempt.
   */
  readonly consecutiveFailures: number;
  /** The circuit also opens when more than this share of the last `sampleSize` calls failed; above 0, below 1. Default 0.5. */
  readonly failureRate: number;
  /** Default 100. */
  readonly sampleSize: number;
  /** Calls in the sample before `failureRate` means anything. Default 50. */
  readonly minimumCalls: number;
  /** From opening to the first probe; doubled each time a probe fails, with jitter on the upper half. Default 5,000. */
  readonly halfOpenAfterMs: number;
  /** Ceiling of that pause. Default 60,000. */
  readonly maxHalfOpenAfterMs: number;
}

export const DEFAULT_CIRCUIT_OPTIONS: CircuitOptions = Object.freeze({
  consecutiveFailures: 10,
  failureRate: 0.5,
  sampleSize: 100,
  minimumCalls: 50,
  halfOpenAfterMs: 5_000,
  maxHalfOpenAfterMs: 60_000,
});

/** Merges, checks and freezes. Throws `RangeError` naming the option and its value. */
export function resolveCircuitOptions(of: string, options: Partial<CircuitOptions>): CircuitOptions {
  const circuit = { ...DEFAULT_CIRCUIT_OPTIONS, ...options };
  const { failureRate, sampleSize, halfOpenAfterMs } = circuit;
  const minimumCalls = options.minimumCalls ?? Math.min(DEFAULT_CIRCUIT_OPTIONS.minimumCalls, sampleSize);
  const maxHalfOpenAfterMs = options.maxHalfOpenAfterMs ?? Math.max(DEFAULT_CIRCUIT_OPTIONS.maxHalfOpenAfterMs, halfOpenAfterMs);
  const { failureRate: _, ...whole } = { ...circuit, minimumCalls, maxHalfOpenAfterMs };
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 31 - 1)
      throw new RangeError(`${of}.${name} must be a whole number from 1 to 2147483647, got ${String(value)}`);
  }
  if (!(failureRate > 0 && failureRate < 1)) throw new RangeError(`${of}.failureRate must be between 0 and 1, got ${failureRate}`);
  if (minimumCalls > sampleSize) throw new RangeError(`${of}.minimumCalls must be at most sampleSize (${sampleSize}), got ${minimumCalls}`);
  if (maxHalfOpenAfterMs < halfOpenAfterMs)
    throw new RangeError(`${of}.maxHalfOpenAfterMs must be at least halfOpenAfterMs (${halfOpenAfterMs}), got ${maxHalfOpenAfterMs}`);
  return Object.freeze({ ...circuit, minimumCalls, maxHalfOpenAfterMs });
}
