import {
  CallInFlightError,
  CallUnavailableError,
  CheckbackError,
  ClosedError,
  ConfigurationError,
  DeadlineError,
  InvalidMessageError,
} from '../errors.ts';
import { systemClock } from '../shared/clock.ts';
import { silentLogger } from '../shared/logger.ts';
import { attemptCall, type AttemptTools, type CallInProgress } from './attempt-call.ts';
import { Audit } from './audit.ts';
import type { CallOptions, CallOutcome } from './call-outcome.ts';
import { ConnectionPool } from './connection-pool.ts';
import { evidenceRules, type EvidenceRules, requestRecord, secretsOf } from './evidence.ts';
import type { ExternalCall } from './external-call.ts';
import { type GatewayLimits, type GatewayOptions, resolveGatewayLimits } from './gateway-options.ts';
import { type Origin, resolveOrigin } from './origin.ts';
import { type PreparedRequest, prepareRequest } from './prepare-request.ts';
import { replayOutcome } from './replay-outcome.ts';

export type { CallOptions, CallOutcome } from './call-outcome.ts';
export type { GatewayOptions } from './gateway-options.ts';

/** Calls institutions, with evidence. Safe for concurrent use. */
export interface Gateway {
  /**
   * Makes the call unless its outcome is on record, and says what is known at the end. Resolves for everything the
   * institution or the network does. Rejects, nothing having been sent, with `ConfigurationError` (no such origin),
   * `InvalidMessageError` (no request can be built from the input), `AuditUnavailableError` (no request record, no call),
   * `DeadlineError` (aborted before it began) or `ClosedError`.
   */
  call<I, R>(definition: ExternalCall<I, R>, input: I, options: CallOptions<R>): Promise<CallOutcome<R>>;
  /** Takes no new calls, waits for those in progress, closes every socket. Idempotent; never rejects. */
  close(): Promise<void>;
}

/** A gateway to the given origins. Throws `ConfigurationError` or `RangeError`; opens no socket and no timer before the first call. */
export const createGateway = (options: GatewayOptions): Gateway => new HttpGateway(options);

interface Target {
  readonly origin: Origin;
  readonly pool: ConnectionPool;
}

class HttpGateway implements Gateway {
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #limits: GatewayLimits;
  readonly #tools: AttemptTools;
  readonly #running = new Set<Promise<unknown>>();
  readonly #rules = new WeakMap<object, EvidenceRules>();
  #closing: Promise<void> | undefined;

  constructor({ origins, store, logger = silentLogger, clock = systemClock, ...limits }: GatewayOptions) {
    this.#limits = resolveGatewayLimits(limits);
    this.#tools = { audit: new Audit(store, this.#limits, clock), clock, logger };
    const resolved = Object.entries(origins).map(([name, given]) => resolveOrigin(name, given));
    this.#targets = new Map(resolved.map((origin) => [origin.name, { origin, pool: new ConnectionPool(origin) }]));
  }

  async call<I, R>(definition: ExternalCall<I, R>, input: I, options: CallOptions<R>): Promise<CallOutcome<R>> {
    if (this.#closing) throw new ClosedError(`call "${definition.name}": the gateway is closed`);
    const running = this.#call(this.#prepare(definition, input, options));
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#running).then(() => {
      for (const { pool } of this.#targets.values()) pool.close();
    });
    return this.#closing;
  }

  #prepare<I, R>(definition: ExternalCall<I, R>, input: I, options: CallOptions<R>): CallInProgress<I, R> {
    const target = this.#targets.get(definition.origin);
    if (!target) throw new ConfigurationError(`call "${definition.name}": origin "${definition.origin}" is not configured`);
    if (options.signal?.aborted)
      throw new DeadlineError(`call "${definition.name}": cancelled before it began`, { cause: options.signal.reason, phase: 'connect' });
    const rules = this.#rules.get(definition) ?? evidenceRules(definition);
    this.#rules.set(definition, rules);
    const request = this.#build(definition, target.origin, input, options);
    const { idempotencyKey, correlationId } = options;
    const ids = { callName: definition.name, origin: target.origin.name, idempotencyKey, correlationId };
    const secrets = secretsOf(request, rules);
    return {
      pool: target.pool,
      definition,
      options,
      request,
      rules,
      secrets,
      record: () => requestRecord(ids, request, rules, secrets, new Date(this.#tools.clock.now())),
    };
  }

  #build<I, R>(definition: ExternalCall<I, R>, origin: Origin, input: I, options: CallOptions<R>): PreparedRequest {
    try {
      return prepareRequest(definition, origin, input, options);
    } catch (error) {
      if (error instanceof CheckbackError) throw error;
      throw new InvalidMessageError(`call "${definition.name}": its definition threw while building the request`, { cause: error });
    }
  }

  async #call<I, R>(call: CallInProgress<I, R>): Promise<CallOutcome<R>> {
    const { definition, options } = call;
    const waitUntil = this.#tools.clock.now() + this.#limits.waitInFlightMs;
    let attempts = 0;
    for (let polls = 0; ;) {
      const opened = await this.#tools.audit.open(call.record(), definition.timeouts.totalMs);
      switch (opened.kind) {
        case 'recorded':
          return replayOutcome(definition, opened);
        case 'not-before': {
          const { retryAfterMs } = opened;
          const error = new CallUnavailableError(
            `call "${definition.name}": ${definition.origin} asked not to be called for another ${retryAfterMs} ms`,
            { retryAfterMs },
          );
          return { status: 'PENDING', error, retryAfterMs, attempt: opened.attempts };
        }
        case 'in-flight': {
          const pauseMs = Math.min(50 * 2 ** polls++, 500, waitUntil - this.#tools.clock.now());
          if (pauseMs > 0 && (await this.#pause(pauseMs, options.signal))) break;
          const error = new CallInFlightError(`call "${definition.name}": another attempt with this key is in progress`);
          // Not the whole lease: most attempts end long before it.
          return { status: 'PENDING', error, retryAfterMs: Math.min(opened.leaseMs, MAX_IN_FLIGHT_PAUSE_MS), attempt: opened.attempts };
        }
        case 'opened': {
          const outcome = await attemptCall(call, opened, this.#tools);
          attempts += 1;
          if (attempts >= definition.retry.maxAttempts || this.#closing || !sentNothing(outcome)) return outcome;
          if (!(await this.#pause(this.#backoffMs(attempts, definition), options.signal))) return outcome;
        }
      }
    }
  }

  #backoffMs(attempts: number, { retry }: ExternalCall<never, unknown>): number {
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
const sentNothing = (outcome: CallOutcome<unknown>): boolean =>
  outcome.status === 'PENDING' && outcome.error.acted === 'no' && !(outcome.error instanceof CallUnavailableError);
