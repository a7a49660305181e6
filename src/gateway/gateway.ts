import {
  CallInFlightError,
  CallThrottledError,
  CallUnavailableError,
  ClosedError,
  ConfigurationError,
  DeadlineError,
  UnknownOutcomeError,
} from '../errors.ts';
import { systemClock } from '../shared/clock.ts';
import { silentLogger } from '../shared/logger.ts';
import type { AttemptTools, CallInProgress } from './attempt-call.ts';
import { Audit } from './audit.ts';
import type { CallOptions, CallOutcome } from './call-outcome.ts';
import type { CircuitSnapshot } from './circuit-breaker.ts';
import type { CircuitKind } from './circuit-state.ts';
import type { CallRetry, ExternalCall } from './external-call.ts';
import type { RecordedOutcome } from './external-call-store.ts';
import { emitGatewayEvent } from './gateway-events.ts';
import { type GatewayLimits, type GatewayOptions, resolveGatewayLimits } from './gateway-options.ts';
import { type Origin, resolveOrigin } from './origin.ts';
import { namesOf, observedAttempt } from './observed-attempt.ts';
import { isRefusal, OriginGate, type Refusal } from './origin-gate.ts';
import { type OriginLimits, resolveOriginLimits } from './origin-limits.ts';
import { checkInput, prepareCall } from './prepare-call.ts';
import { replayOutcome } from './replay-outcome.ts';
import { openTransport, type Transport } from './transport.ts';

export type { CallOptions, CallOutcome } from './call-outcome.ts';
export type { GatewayOptions } from './gateway-options.ts';

/** Calls institutions, with evidence. Safe for concurrent use. */
export interface Gateway {
  /**
   * Makes the call unless its outcome is on record, and says what is known at the end. Resolves for everything the
   * institution, the network or our own limits do. While a circuit is open, or a limit has no room, it is PENDING before
   * the record is looked at, so a recorded outcome is given a little later too. Rejects, nothing having been sent, with
   * `ConfigurationError` (no such origin), `InvalidMessageError` (the input is not what its schema says, or no request can
   * be built from it), `AuditUnavailableError` (no request record, no call), `DeadlineError` (aborted before it began) or
   * `ClosedError`.
   */
  call<I, R>(definition: ExternalCall<I, R>, input: I, options: CallOptions<R>): Promise<CallOutcome<R>>;
  /** How the circuit of each origin stands in this process; origins without one are left out. */
  circuits(): readonly CircuitSnapshot[];
  /**
   * Calls back, synchronously, whenever a circuit of this gateway changes; returns how to stop. Open becomes half-open by
   * the clock alone, so whoever stops calling while it is open is told when to go on. What a listener throws is logged.
   */
  onCircuitChange(listener: (now: CircuitSnapshot, before: CircuitKind) => void): () => void;
  /** Takes no new calls, waits for those in progress, closes every socket. Idempotent; never rejects. */
  close(): Promise<void>;
}

/** A gateway to the given origins. Throws `ConfigurationError` or `RangeError`; opens no socket and no timer before the first call. */
export const createGateway = (options: GatewayOptions): Gateway => new HttpGateway(options);

interface Target {
  readonly origin: Origin;
  readonly transport: Transport;
  readonly gate: OriginGate;
}

type CircuitListener = (now: CircuitSnapshot, before: CircuitKind) => void;

/** What one try came to: an end, or why there is none yet. */
type Step<R> =
  | { readonly kind: 'ended'; readonly outcome: CallOutcome<R> }
  | { readonly kind: 'refused'; readonly outcome: CallOutcome<R> }
  | { readonly kind: 'attempted'; readonly outcome: CallOutcome<R> }
  | { readonly kind: 'in-flight'; readonly leaseMs: number; readonly attempts: number };

class HttpGateway implements Gateway {
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #limits: GatewayLimits;
  readonly #tools: AttemptTools;
  readonly #running = new Set<Promise<unknown>>();
  readonly #circuitListeners = new Set<CircuitListener>();
  #closing: Promise<void> | undefined;

  constructor({ origins, store, logger = silentLogger, clock = systemClock, ...limits }: GatewayOptions) {
    this.#limits = resolveGatewayLimits(limits);
    this.#tools = { audit: new Audit(store, this.#limits, clock), clock, logger };
    const targets = Object.entries(origins).map(([name, given]) => this.#target(resolveOrigin(name, given), given, limits));
    this.#targets = new Map(targets.map((target) => [target.origin.name, target]));
  }

  async call<I, R>(definition: ExternalCall<I, R>, input: I, options: CallOptions<R>): Promise<CallOutcome<R>> {
    if (this.#closing) throw new ClosedError(`call "${definition.name}": the gateway is closed`);
    const running = this.#checkAndCall(definition, input, options);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  circuits(): readonly CircuitSnapshot[] {
    return [...this.#targets.values()].map(({ gate }) => gate.circuit()).filter((circuit) => circuit !== undefined);
  }

  onCircuitChange(listener: CircuitListener): () => void {
    // Wrapped, so that the same function may listen twice.
    const own: CircuitListener = (now, before) => listener(now, before);
    this.#circuitListeners.add(own);
    return () => void this.#circuitListeners.delete(own);
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#running).then(() => {
      for (const { transport, gate } of this.#targets.values()) {
        gate.close();
        transport.close();
      }
    });
    return this.#closing;
  }

  #target(origin: Origin, given: string | OriginLimits, common: OriginLimits): Target {
    const own = typeof given === 'string' ? {} : given;
    const limits = resolveOriginLimits(`origins.${origin.name}`, own, common, origin.maxConnections);
    const gate = new OriginGate(origin.name, limits, this.#tools.clock, (now, before) => this.#circuitChanged(now, before));
    return { origin, transport: openTransport(origin), gate };
  }

  #circuitChanged(now: CircuitSnapshot, before: CircuitKind): void {
    const { logger } = this.#tools;
    logger[now.state === 'open' ? 'warn' : 'info']({ ...now, before }, `circuit of ${now.origin} is ${now.state}`);
    emitGatewayEvent('circuit-changed', () => ({ ...now, before }));
    for (const listener of this.#circuitListeners) {
      try {
        listener(now, before);
      } catch (error) {
        logger.error({ origin: now.origin, error }, 'a listener of circuit changes threw');
      }
    }
  }

  async #checkAndCall<I, R>(definition: ExternalCall<I, R>, input: I, options: CallOptions<R>): Promise<CallOutcome<R>> {
    const target = this.#targets.get(definition.origin);
    if (!target) throw new ConfigurationError(`call "${definition.name}": origin "${definition.origin}" is not configured`);
    if (options.signal?.aborted)
      throw new DeadlineError(`call "${definition.name}": cancelled before it began`, { cause: options.signal.reason, phase: 'connect' });
    const checked = definition.request ? await checkInput(definition, input) : input;
    return this.#call(prepareCall(definition, target, checked, options, this.#tools.clock), target.gate);
  }

  async #call<I, R>(call: CallInProgress<I, R>, gate: OriginGate): Promise<CallOutcome<R>> {
    const { definition, options } = call;
    const { clock } = this.#tools;
    const waitUntil = clock.now() + this.#limits.waitInFlightMs;
    gate.budget.countCall();
    let attempts = 0;
    let last: CallOutcome<R> | undefined;
    for (let polls = 0; ;) {
      const step = await this.#step(call, gate);
      switch (step.kind) {
        case 'ended':
          return step.outcome;
        case 'refused':
          // An attempt was made in this very call, and its end says more.
          return last ?? step.outcome;
        case 'in-flight': {
          const pauseMs = Math.min(50 * 2 ** polls++, 500, waitUntil - clock.now());
          if (pauseMs > 0 && (await this.#pause(pauseMs, options.signal))) break;
          const error = new CallInFlightError(`call "${definition.name}": another attempt with this key is in progress`);
          // Not the whole lease: most attempts end long before it.
          return { status: 'PENDING', error, retryAfterMs: Math.min(step.leaseMs, MAX_IN_FLIGHT_PAUSE_MS), attempt: step.attempts };
        }
        case 'attempted': {
          last = step.outcome;
          attempts += 1;
          if (attempts >= definition.retry.maxAttempts || this.#closing || options.signal?.aborted || !sentNothing(last)) return last;
          if (!this.#mayRetry(call, gate, last.attempt)) return last;
          if (!(await this.#pause(this.#backoffMs(attempts, definition.retry), options.signal))) return last;
        }
      }
    }
  }

  /** One try: its turn, its record, and its attempt unless the record says otherwise. */
  async #step<I, R>(call: CallInProgress<I, R>, gate: OriginGate): Promise<Step<R>> {
    const { definition, options } = call;
    const admission = await gate.enter(definition, options.signal);
    if (isRefusal(admission)) return { kind: 'refused', outcome: this.#refused(call, admission) };
    let hasAttempted = false;
    try {
      const opened = await this.#tools.audit.open(call.record(), definition.timeouts.totalMs);
      switch (opened.kind) {
        case 'recorded':
          return { kind: 'ended', outcome: await recordedOutcome(definition, opened) };
        case 'in-flight':
          return opened;
        case 'not-before': {
          const { retryAfterMs } = opened;
          const error = new CallUnavailableError(
            `call "${definition.name}": ${definition.origin} asked not to be called for another ${retryAfterMs} ms`,
            { retryAfterMs },
          );
          return { kind: 'ended', outcome: { status: 'PENDING', error, retryAfterMs, attempt: opened.attempts } };
        }
        case 'opened':
          hasAttempted = true;
          return { kind: 'attempted', outcome: await observedAttempt(call, opened, this.#tools, admission) };
      }
    } finally {
      admission.leave(hasAttempted);
    }
  }

  #refused<I, R>(call: CallInProgress<I, R>, error: Refusal): CallOutcome<R> {
    if (error instanceof CallThrottledError) {
      const { limit, retryAfterMs } = error;
      emitGatewayEvent('throttled', () => ({ ...namesOf(call), limit, retryAfterMs }));
    }
    const retryAfterMs = 'retryAfterMs' in error ? error.retryAfterMs : undefined;
    return { status: 'PENDING', error, retryAfterMs, attempt: 0 };
  }

  #mayRetry<I, R>(call: CallInProgress<I, R>, gate: OriginGate, attempt: number): boolean {
    if (gate.budget.takeRetry()) return true;
    emitGatewayEvent('retry-budget-exhausted', () => ({ ...namesOf(call), attempt }));
    return false;
  }

  #backoffMs(attempts: number, retry: CallRetry): number {
    return Math.random() * Math.min(retry.maxDelayMs, retry.baseDelayMs * 2 ** (attempts - 1));
  }

  /** False when the signal aborted meanwhile. */
  #pause(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    return this.#tools.clock.sleep(ms, signal).then(
      () => true,
      () => false,
    );
  }
}

/** How long a caller of a key whose call is in progress elsewhere is sent away at most. */
const MAX_IN_FLIGHT_PAUSE_MS = 10_000;

/** What is tried again here at once; an institution that asks for time gets it from the worker. */
const sentNothing = <R>(outcome: CallOutcome<R>): outcome is Extract<CallOutcome<R>, { status: 'PENDING' }> =>
  outcome.status === 'PENDING' && outcome.error.acted === 'no' && !(outcome.error instanceof CallUnavailableError);

/** What is on record is an end, except for a status check: its answer was about another moment. */
async function recordedOutcome<I, R>(definition: ExternalCall<I, R>, recorded: RecordedOutcome): Promise<CallOutcome<R>> {
  if (!definition.readResponse) return replayOutcome(definition, recorded);
  const error = new UnknownOutcomeError(`call "${definition.name}": this question has been asked before; ask again under a key of its own`);
  return { status: 'UNKNOWN', error, replayed: true };
}
