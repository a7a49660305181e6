import type { EntityManager } from '@mikro-orm/core';
import { CallInFlightError, CallUnavailableError, CheckbackError, ClosedError, ConfigurationError, DeadlineError, InvalidMessageError, UnknownOutcomeError } from '../errors.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { Audit } from './audit.ts';
import type { CallOutcome, FinalOutcome } from './call-outcome.ts';
import { type Classification, classifyOutcome } from './classify-outcome.ts';
import { ConnectionPool } from './connection-pool.ts';
import { evidenceRules, type EvidenceRules, requestRecord, responseSnapshot, secretsOf } from './evidence.ts';
import type { CallAnswer, ExternalCall } from './external-call.ts';
import type { OpenedAttempt, RequestRecord } from './external-call-store.ts';
import { type GatewayLimits, type GatewayOptions, resolveGatewayLimits } from './gateway-options.ts';
import { exchangeHttp } from './http-exchange.ts';
import { type Origin, resolveOrigin } from './origin.ts';
import { type PreparedRequest, prepareRequest } from './prepare-request.ts';
import { readAnswer, validate } from './read-answer.ts';
import { replayOutcome } from './replay-outcome.ts';

export type { CallOutcome, FinalOutcome } from './call-outcome.ts';
export type { GatewayLimits, GatewayOptions } from './gateway-options.ts';

export interface CallOptions<R> {
  /** One business effect; the same for every attempt, delivery and worker. 1 to 128 visible ASCII characters. */
  readonly idempotencyKey: string;
  readonly correlationId: string;
  /** Aborting before the first byte leaves the call PENDING, later UNKNOWN. */
  readonly signal?: AbortSignal;
  /**
   * Runs in the same database transaction as the row's transition to SUCCESS or FAIL, committed exactly once per (call,
   * key); its own connection only, no I/O elsewhere, since a transaction the database refused is run again. Throwing
   * undoes its writes and leaves the call UNKNOWN, the evidence kept. Does not run for a replayed outcome.
   */
  readonly apply?: (em: EntityManager, outcome: FinalOutcome<R>) => Promise<void>;
}

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

/** What stays the same over all attempts of one `call()`. */
interface CallInProgress<I, R> extends Target {
  readonly definition: ExternalCall<I, R>;
  readonly options: CallOptions<R>;
  readonly request: PreparedRequest;
  readonly rules: EvidenceRules;
  readonly secrets: readonly string[];
  readonly record: () => RequestRecord;
}

class HttpGateway implements Gateway {
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #limits: GatewayLimits;
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #running = new Set<Promise<unknown>>();
  readonly #rules = new WeakMap<object, EvidenceRules>();
  #closing: Promise<void> | undefined;

  constructor({ origins, store, logger = silentLogger, clock = systemClock, ...limits }: GatewayOptions) {
    this.#limits = resolveGatewayLimits(limits);
    this.#audit = new Audit(store, this.#limits, clock);
    this.#clock = clock;
    this.#logger = logger;
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
    if (options.signal?.aborted) throw new DeadlineError(`call "${definition.name}": cancelled before it began`, { cause: options.signal.reason, phase: 'connect' });
    const rules = this.#rules.get(definition) ?? evidenceRules(definition);
    this.#rules.set(definition, rules);
    const request = this.#build(definition, target.origin, input, options);
    const { idempotencyKey, correlationId } = options;
    const ids = { callName: definition.name, origin: target.origin.name, idempotencyKey, correlationId };
    const secrets = secretsOf(request, rules);
    return { ...target, definition, options, request, rules, secrets, record: () => requestRecord(ids, request, rules, secrets, new Date(this.#clock.now())) };
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
    const waitUntil = this.#clock.now() + this.#limits.waitInFlightMs;
    let attempts = 0;
    for (let polls = 0; ; ) {
      const opened = await this.#audit.open(call.record(), definition.timeouts.totalMs);
      switch (opened.kind) {
        case 'recorded':
          return replayOutcome(definition, opened);
        case 'not-before': {
          const { retryAfterMs } = opened;
          const error = new CallUnavailableError(`call "${definition.name}": ${definition.origin} asked not to be called for another ${retryAfterMs} ms`, { retryAfterMs });
          return { status: 'PENDING', error, retryAfterMs, attempt: opened.attempts };
        }
        case 'in-flight': {
          const pauseMs = Math.min(50 * 2 ** polls++, 500, waitUntil - this.#clock.now());
          if (pauseMs > 0 && (await this.#pause(pauseMs, options.signal))) break;
          const error = new CallInFlightError(`call "${definition.name}": another attempt with this key is in progress`);
          return { status: 'PENDING', error, retryAfterMs: opened.leaseMs, attempt: opened.attempts };
        }
        case 'opened': {
          const outcome = await this.#attempt(call, opened);
          attempts += 1;
          if (attempts >= definition.retry.maxAttempts || this.#closing || !sentNothing(outcome)) return outcome;
          if (!(await this.#pause(this.#backoffMs(attempts, definition), options.signal))) return outcome;
        }
      }
    }
  }

  /** One request, from its committed record to its committed snapshot. */
  async #attempt<I, R>(call: CallInProgress<I, R>, opened: OpenedAttempt): Promise<CallOutcome<R>> {
    const { definition, options, request, rules } = call;
    const { timeouts, maxResponseBytes } = definition;
    const exchange = await exchangeHttp(call.pool, request, { timeouts, maxResponseBytes, signal: options.signal });
    const answer = exchange.kind === 'answered' ? readAnswer(exchange.answer) : undefined;
    const now = this.#clock.now();
    const attempted = `${request.method} ${definition.origin} (${definition.name})`;
    let classified = classifyOutcome(exchange, answer, { attempted, timeouts, maxRetryAfterMs: definition.retry.maxRetryAfterMs, classify: definition.classify }, now);
    let response = answer?.response;
    if (classified.status === 'SUCCESS' && definition.response) {
      const checked = await validate(definition.response, response);
      if ('value' in checked) response = checked.value;
      else classified = { status: 'UNKNOWN', error: new UnknownOutcomeError(`${attempted}: HTTP ${answer?.httpStatus}, but the answer ${checked.complaint}`) };
    }
    const outcome = outcomeOf<R>(classified, answer, response, opened.attempt);
    const error = 'error' in classified ? classified.error : undefined;
    const snapshot = responseSnapshot(exchange, error, rules, call.secrets, new Date(now));
    this.#log(call, opened, outcome);
    return this.#close(call, opened, snapshot, outcome);
  }

  async #close<I, R>({ definition, options }: CallInProgress<I, R>, opened: OpenedAttempt, snapshot: Parameters<Audit['close']>[1], outcome: CallOutcome<R>): Promise<CallOutcome<R>> {
    const { apply } = options;
    const isFinal = outcome.status === 'SUCCESS' || outcome.status === 'FAIL';
    const unknown = (what: string, cause?: unknown): CallOutcome<R> => {
      const error = new UnknownOutcomeError(`call "${definition.name}": ended as ${outcome.status}, but ${what}`, { cause });
      this.#logger.error({ ...idsOf(definition, options), attempt: opened.attempt, code: error.code }, error.message);
      return { status: 'UNKNOWN', error, replayed: false };
    };
    try {
      const closed = await this.#audit.close(opened, snapshot, outcome.status, {
        notBeforeMs: outcome.status === 'PENDING' ? outcome.retryAfterMs : undefined,
        apply: apply && isFinal ? (em) => apply(em, outcome) : undefined,
      });
      if (closed.kind === 'lease-lost') return unknown('its lease had ended and the row was declared UNKNOWN');
      if (closed.kind === 'apply-failed') return unknown('applying it threw', closed.error);
      return outcome;
    } catch (cause) {
      return unknown('that could not be recorded', cause);
    }
  }

  #backoffMs(attempts: number, { retry }: ExternalCall<never, unknown>): number {
    return Math.random() * Math.min(retry.maxDelayMs, retry.baseDelayMs * 2 ** (attempts - 1));
  }

  /** False when the signal aborted meanwhile. */
  #pause(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    return this.#clock.sleep(ms, signal).then(
      () => true,
      () => false,
    );
  }

  #log<I, R>({ definition, options }: CallInProgress<I, R>, { attempt }: OpenedAttempt, outcome: CallOutcome<R>): void {
    const fields = { ...idsOf(definition, options), attempt, status: outcome.status };
    if (outcome.status === 'SUCCESS') this.#logger.debug(fields, 'external call answered');
    else this.#logger.warn({ ...fields, code: outcome.error.code }, outcome.error.message);
  }
}

/** What is tried again here at once; an institution that asks for time gets it from the worker. */
const sentNothing = (outcome: CallOutcome<unknown>): boolean => outcome.status === 'PENDING' && !(outcome.error instanceof CallUnavailableError);

const idsOf = ({ name: call }: ExternalCall<never, unknown>, { idempotencyKey, correlationId }: CallOptions<never>): object => ({ call, idempotencyKey, correlationId });

function outcomeOf<R>(classified: Classification, answer: CallAnswer | undefined, response: unknown, attempt: number): CallOutcome<R> {
  const httpStatus = answer?.httpStatus ?? 0;
  switch (classified.status) {
    case 'SUCCESS':
      return { status: 'SUCCESS', response: response as R, httpStatus, replayed: false };
    case 'FAIL':
      return { status: 'FAIL', error: classified.error, httpStatus, response, replayed: false };
    case 'UNKNOWN':
      return { status: 'UNKNOWN', error: classified.error, replayed: false };
    case 'PENDING':
      return { status: 'PENDING', error: classified.error, retryAfterMs: classified.retryAfterMs, attempt };
  }
}
