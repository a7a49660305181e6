import { CircuitState as Cockatiel, ConsecutiveBreaker, CountBreaker, halfJitterGenerator } from 'cockatiel';
import type { Clock } from '../shared/clock.ts';
import type { CircuitOptions } from './circuit-options.ts';
import { type CircuitEvent, type CircuitKind, type CircuitState, nextCircuit } from './circuit-state.ts';
import type { CircuitVerdict } from './circuit-verdict.ts';

/** A circuit as it is now. */
export interface CircuitSnapshot {
  readonly origin: string;
  readonly state: CircuitKind;
  /** How long it has been in this state. */
  readonly sinceMs: number;
  /** Until it lets a probe through; `undefined` unless it is open. */
  readonly nextProbeInMs: number | undefined;
  /** Failures in a row, up to now. */
  readonly failures: number;
}

/** Leave to make one call. Whoever holds it says what came of it, once; `silent` when nothing was sent. */
export type CircuitPass = (verdict: CircuitVerdict) => void;

/**
 * The circuit breaker of one institution, on the injected clock. cockatiel's breakers decide when calls fail too often;
 * its circuit itself reads the wall clock and knows no call that says nothing, so the states are our own. Verdicts of
 * calls that were let through in an earlier state are ignored.
 */
export class CircuitBreaker {
  readonly #origin: string;
  readonly #options: CircuitOptions;
  readonly #clock: Clock;
  readonly #onChange: (now: CircuitSnapshot, before: CircuitKind) => void;
  readonly #stop = new AbortController();
  #state: CircuitState;
  #breakers: readonly (ConsecutiveBreaker | CountBreaker)[];
  #failures = 0;
  #isProbing = false;

  constructor(
    origin: string,
    options: CircuitOptions,
    clock: Clock,
    onChange: (now: CircuitSnapshot, before: CircuitKind) => void = () => {},
  ) {
    this.#origin = origin;
    this.#options = options;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#state = { kind: 'closed', since: clock.now() };
    this.#breakers = newBreakers(options);
  }

  /** How long to stay away, in milliseconds; `undefined` when a call may be made now. Reserves nothing. */
  refusal(): number | undefined {
    this.#probeWhenDue();
    const state = this.#state;
    if (state.kind === 'closed' || (state.kind === 'half-open' && !this.#isProbing)) return undefined;
    return state.kind === 'open' ? Math.max(1, Math.ceil(state.probeAt - this.#clock.now())) : this.#options.halfOpenAfterMs;
  }

  /** Lets one call through, as the probe when half-open, or says how long to stay away. */
  enter(): CircuitPass | number {
    const refusal = this.refusal();
    if (refusal !== undefined) return refusal;
    const entered = this.#state;
    if (entered.kind === 'half-open') this.#isProbing = true;
    return (verdict) => {
      if (this.#state === entered) this.#judge(verdict);
    };
  }

  snapshot(): CircuitSnapshot {
    const now = this.#clock.now();
    return {
      origin: this.#origin,
      state: this.#state.kind,
      sinceMs: now - this.#state.since,
      nextProbeInMs: this.#state.kind === 'open' ? Math.max(0, this.#state.probeAt - now) : undefined,
      failures: this.#failures,
    };
  }

  /** Keeps no timer any more. */
  close(): void {
    this.#stop.abort();
  }

  #judge(verdict: CircuitVerdict): void {
    if (this.#state.kind === 'half-open') return this.#judgeProbe(verdict);
    if (verdict.kind === 'failed') {
      this.#failures += 1;
      // Each of them counts, so no short cut.
      const tripped = this.#breakers.filter((breaker) => breaker.failure(Cockatiel.Closed));
      if (tripped.length > 0) this.#open('tripped', 1, 0);
    } else if (verdict.kind === 'alive') {
      this.#failures = 0;
      for (const breaker of this.#breakers) breaker.success(Cockatiel.Closed);
    }
  }

  #judgeProbe(verdict: CircuitVerdict): void {
    this.#isProbing = false;
    const round = this.#state.kind === 'half-open' ? this.#state.round : 0;
    if (verdict.kind === 'failed') {
      this.#failures += 1;
      this.#open('probe-failed', round + 1, 0);
    } else if (verdict.kind === 'busy') {
      this.#open('probe-failed', round, verdict.retryAfterMs ?? 0);
    } else if (verdict.kind === 'alive') {
      this.#failures = 0;
      this.#breakers = newBreakers(this.#options);
      this.#move('probe-passed', (since) => ({ kind: 'closed', since }));
    }
  }

  #open(event: CircuitEvent, round: number, atLeastMs: number): void {
    const { halfOpenAfterMs: initialDelay, maxHalfOpenAfterMs: maxDelay } = this.#options;
    // Jitter, so that many processes do not all probe at the same moment; on the upper half, so that there is a pause at all.
    const [backoffMs] = halfJitterGenerator(round - 1, { initialDelay, maxDelay, exponent: 2, generator: halfJitterGenerator });
    const pauseMs = Math.max(1, backoffMs, Math.min(atLeastMs, maxDelay));
    this.#move(event, (since) => ({ kind: 'open', since, round, probeAt: since + pauseMs }));
    const opened = this.#state;
    // Whoever has paused because of us makes no call that could find out, so time itself tells; a clock set back must not delay it.
    this.#clock.sleep(pauseMs, this.#stop.signal).then(
      () => this.#state === opened && this.#halfOpen(round),
      () => {},
    );
  }

  #probeWhenDue(): void {
    const state = this.#state;
    if (state.kind === 'open' && this.#clock.now() >= state.probeAt) this.#halfOpen(state.round);
  }

  #halfOpen(round: number): void {
    this.#move('probe-due', (since) => ({ kind: 'half-open', since, round }));
  }

  #move(event: CircuitEvent, make: (since: number) => CircuitState): void {
    const before = this.#state.kind;
    const next = make(this.#clock.now());
    if (nextCircuit(before, event) !== next.kind) return;
    this.#state = next;
    this.#isProbing = false;
    this.#onChange(this.snapshot(), before);
  }
}

const newBreakers = ({ consecutiveFailures, failureRate, sampleSize, minimumCalls }: CircuitOptions) => [
  new ConsecutiveBreaker(consecutiveFailures),
  new CountBreaker({ threshold: failureRate, size: sampleSize, minimumNumberOfCalls: minimumCalls }),
];
