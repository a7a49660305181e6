import { type CircuitOptions, resolveCircuitOptions } from './circuit-options.ts';
import type { RateOptions } from './rate-limit.ts';
import { resolveRetryBudget, type RetryBudgetOptions } from './retry-budget.ts';

/** How hard one call definition may be used, within what its origin allows. Counted for each definition object, in each process by itself. */
export interface CallLimits {
  /** Calls of this definition in progress at once. Default: as many as the origin allows. */
  readonly maxConcurrent?: number;
  /** Calls waiting for such a place; one more is told PENDING at once. Default 1,000. */
  readonly maxQueued?: number;
  /** Default: as many as the origin allows. */
  readonly rate?: RateOptions;
}

/** What an institution may be asked to bear, and how it is treated when it fails. Counted in each process by itself. */
export interface OriginLimits extends CallLimits {
  /** Default: `DEFAULT_CIRCUIT_OPTIONS`; `false` never holds a call back. */
  readonly circuit?: Partial<CircuitOptions> | false;
  /** Calls in progress at once. Default: the origin's `maxConnections`, so that no call waits for a socket. */
  readonly maxConcurrent?: number;
  /** Default: none. */
  readonly rate?: RateOptions;
  /** How long one call waits for its turn, places and rates together, before it is told PENDING. Default 2,000. */
  readonly maxWaitMs?: number;
  /** Retries the gateway makes by itself of attempts that sent nothing. Default: `DEFAULT_RETRY_BUDGET`. */
  readonly retryBudget?: Partial<RetryBudgetOptions>;
}

export interface ResolvedOriginLimits {
  readonly circuit: CircuitOptions | undefined;
  readonly maxConcurrent: number;
  readonly maxQueued: number;
  readonly rate: RateOptions | undefined;
  readonly maxWaitMs: number;
  readonly retryBudget: RetryBudgetOptions;
}

export const DEFAULT_MAX_QUEUED = 1_000;
export const DEFAULT_MAX_WAIT_MS = 2_000;

/** Fills in, checks and freezes; `own` goes before `common`. Throws `RangeError` naming the option and its value. */
export function resolveOriginLimits(of: string, own: OriginLimits, common: OriginLimits, maxConnections: number): ResolvedOriginLimits {
  const circuit = own.circuit === false ? false : own.circuit || common.circuit !== false ? { ...common.circuit, ...own.circuit } : false;
  const limits = checkCallLimits(of, {
    maxConcurrent: own.maxConcurrent ?? common.maxConcurrent ?? maxConnections,
    maxQueued: own.maxQueued ?? common.maxQueued ?? DEFAULT_MAX_QUEUED,
    rate: own.rate ?? common.rate,
  });
  const maxWaitMs = own.maxWaitMs ?? common.maxWaitMs ?? DEFAULT_MAX_WAIT_MS;
  whole(`${of}.maxWaitMs`, maxWaitMs, 0);
  return Object.freeze({
    ...limits,
    maxWaitMs,
    circuit: circuit ? resolveCircuitOptions(`${of}.circuit`, circuit) : undefined,
    retryBudget: resolveRetryBudget(`${of}.retryBudget`, { ...common.retryBudget, ...own.retryBudget }),
  });
}

/** Throws `RangeError` naming the limit and its value. */
export function checkCallLimits<T extends { [Name in keyof CallLimits]: CallLimits[Name] | undefined }>(of: string, limits: T): T {
  const { maxConcurrent, maxQueued, rate } = limits;
  if (maxConcurrent !== undefined) whole(`${of}.maxConcurrent`, maxConcurrent, 1);
  if (maxQueued !== undefined) whole(`${of}.maxQueued`, maxQueued, 0);
  if (!rate) return Object.freeze(limits);
  if (!(rate.maxPerSecond > 0 && rate.maxPerSecond <= 1e6))
    throw new RangeError(`${of}.rate.maxPerSecond must be above 0 and at most 1000000, got ${rate.maxPerSecond}`);
  if (rate.burst !== undefined) whole(`${of}.rate.burst`, rate.burst, 1);
  return Object.freeze({ ...limits, rate: Object.freeze({ ...rate }) });
}

function whole(of: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least || value > 2 ** 31 - 1)
    throw new RangeError(`${of} must be a whole number from ${least} to 2147483647, got ${value}`);
}
