import { CallThrottledError, CircuitOpenError, DeadlineError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import { Bulkhead } from './bulkhead.ts';
import { CircuitBreaker, type CircuitPass, type CircuitSnapshot } from './circuit-breaker.ts';
import type { CircuitKind } from './circuit-state.ts';
import type { CircuitVerdict } from './circuit-verdict.ts';
import type { ExternalCall } from './external-call.ts';
import { DEFAULT_MAX_QUEUED, type ResolvedOriginLimits } from './origin-limits.ts';
import { RateLimit } from './rate-limit.ts';
import { RetryBudget } from './retry-budget.ts';

/** Leave to make one attempt. */
export interface Admission {
  /** The exchange is over: gives the place back and says what it told about the institution. Only the first word counts. */
  judge(verdict: CircuitVerdict): void;
  /** Ends it in any case. Gives the turn back too when nothing was attempted. */
  leave(hasAttempted: boolean): void;
}

/** What was refused, in the words of an outcome; always retryable, nothing having been recorded or sent. */
export type Refusal = CircuitOpenError | CallThrottledError | DeadlineError;

interface Lane {
  readonly bulkhead: Bulkhead | undefined;
  readonly rate: RateLimit | undefined;
}

/** What a gate needs to know of a call. */
type AnyCall = Pick<ExternalCall<never, unknown>, 'name' | 'limits' | 'timeouts'>;

/**
 * Everything a call to one institution passes before it is put on record: the circuit, the places and the rate, those of
 * its own definition first. Order is kept among calls of one definition that wait for a place.
 */
export class OriginGate {
  readonly budget: RetryBudget;
  readonly #origin: string;
  readonly #limits: ResolvedOriginLimits;
  readonly #clock: Clock;
  readonly #circuit: CircuitBreaker | undefined;
  readonly #bulkhead: Bulkhead;
  readonly #rate: RateLimit | undefined;
  readonly #lanes = new WeakMap<AnyCall, Lane>();

  constructor(
    origin: string,
    limits: ResolvedOriginLimits,
    clock: Clock,
    onCircuitChange: (now: CircuitSnapshot, before: CircuitKind) => void,
  ) {
    this.#origin = origin;
    this.#limits = limits;
    this.#clock = clock;
    this.budget = new RetryBudget(limits.retryBudget, clock);
    this.#bulkhead = new Bulkhead(limits.maxConcurrent, limits.maxQueued, clock);
    this.#rate = limits.rate && new RateLimit(limits.rate, clock);
    this.#circuit =
      limits.circuit &&
      new CircuitBreaker(origin, limits.circuit, clock, (now, before) => {
        // Everything that has been held back comes at once now, and an institution that is just up again would fall over.
        if (now.state === 'closed') this.#bulkhead.narrow();
        onCircuitChange(now, before);
      });
  }

  circuit(): CircuitSnapshot | undefined {
    return this.#circuit?.snapshot();
  }

  /** Waits for the call's turn. Resolves to the error of a PENDING outcome when there is none; never rejects. */
  async enter(call: AnyCall, signal: AbortSignal | undefined): Promise<Admission | Refusal> {
    const refusedMs = this.#circuit?.refusal();
    if (refusedMs !== undefined) return this.#circuitOpen(call, refusedMs);
    const until = this.#clock.now() + Math.min(this.#limits.maxWaitMs, call.timeouts.totalMs);
    const lane = this.#laneOf(call);
    const bulkheads = lane.bulkhead ? [lane.bulkhead, this.#bulkhead] : [this.#bulkhead];
    const entered: Bulkhead[] = [];
    const leave = (): void => entered.splice(0).forEach((bulkhead) => bulkhead.leave());
    for (const bulkhead of bulkheads) {
      const isIn = bulkhead.tryEnter() || (await bulkhead.enter(until - this.#clock.now(), signal));
      if (!isIn) return (leave(), this.#throttled(call, 'concurrency', this.#limits.maxWaitMs, signal));
      entered.push(bulkhead);
    }
    const rates = [lane.rate, this.#rate].filter((rate) => rate !== undefined);
    const turns = rates.length > 0 ? await this.#takeTurns(rates, until, signal) : { taken: true as const };
    if (!turns.taken) return (leave(), this.#throttled(call, 'rate', turns.waitMs, signal));
    const giveBack = (): void => rates.forEach((rate) => rate.giveBack());
    // Waiting may have taken so long that the circuit has opened, or that another call has become the probe.
    const pass = this.#circuit?.enter();
    if (typeof pass === 'number') return (leave(), giveBack(), this.#circuitOpen(call, pass));
    return this.#admission(pass, leave, giveBack);
  }

  /** Keeps no timer any more. */
  close(): void {
    this.#circuit?.close();
  }

  #admission(pass: CircuitPass | undefined, leave: () => void, giveBack: () => void): Admission {
    let isJudged = false;
    const judge = (verdict: CircuitVerdict): void => {
      if (isJudged) return;
      isJudged = true;
      // Not only when the end is on record: a slow database of ours must not keep others from the institution.
      leave();
      if (verdict.kind === 'alive') this.#bulkhead.widen();
      pass?.(verdict);
    };
    return {
      judge,
      leave: (hasAttempted) => {
        judge({ kind: 'silent' });
        if (!hasAttempted) giveBack();
      },
    };
  }

  async #takeTurns(
    rates: readonly RateLimit[],
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly taken: true } | { readonly taken: false; readonly waitMs: number }> {
    const maxWaitMs = Math.max(0, until - this.#clock.now());
    const taken: RateLimit[] = [];
    let longestMs = 0;
    const giveBack = (): void => taken.forEach((rate) => rate.giveBack());
    for (const rate of rates) {
      const turn = rate.reserve(maxWaitMs);
      if (!turn.taken) return (giveBack(), turn);
      taken.push(rate);
      longestMs = Math.max(longestMs, turn.waitMs);
    }
    if (longestMs === 0) return { taken: true };
    const isOver = await this.#clock.sleep(longestMs, signal).then(
      () => true,
      () => false,
    );
    return isOver ? { taken: true } : (giveBack(), { taken: false, waitMs: 0 });
  }

  #laneOf(call: AnyCall): Lane {
    const known = this.#lanes.get(call);
    if (known) return known;
    const { maxConcurrent, maxQueued = DEFAULT_MAX_QUEUED, rate } = call.limits ?? {};
    const lane = {
      bulkhead: maxConcurrent === undefined ? undefined : new Bulkhead(maxConcurrent, maxQueued, this.#clock),
      rate: rate && new RateLimit(rate, this.#clock),
    };
    this.#lanes.set(call, lane);
    return lane;
  }

  #circuitOpen({ name }: AnyCall, retryAfterMs: number): CircuitOpenError {
    return new CircuitOpenError(
      `call "${name}": ${this.#origin} has failed too often; nothing is sent to it for another ${retryAfterMs} ms`,
      { retryAfterMs },
    );
  }

  #throttled({ name }: AnyCall, limit: 'concurrency' | 'rate', waitMs: number, signal: AbortSignal | undefined): Refusal {
    if (signal?.aborted)
      return new DeadlineError(`call "${name}": cancelled while it waited for its turn`, { cause: signal.reason, phase: 'connect' });
    const retryAfterMs = Math.max(MIN_THROTTLE_PAUSE_MS, waitMs);
    const what = limit === 'rate' ? 'calls per second' : 'calls in progress at once';
    return new CallThrottledError(`call "${name}": over the limit of ${what} to ${this.#origin}, come back in ${retryAfterMs} ms`, {
      retryAfterMs,
      limit,
    });
  }
}

const MIN_THROTTLE_PAUSE_MS = 100;

export const isRefusal = (entered: Admission | Refusal): entered is Refusal => entered instanceof Error;
