import { UnknownOutcomeError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import type { Audit } from './audit.ts';
import type { CallOptions, CallOutcome } from './call-outcome.ts';
import { type Classification, classifyOutcome } from './classify-outcome.ts';
import { type EvidenceRules, responseSnapshot, type Secrets } from './evidence.ts';
import type { Exchange } from './exchange.ts';
import type { CallAnswer, ExternalCall } from './external-call.ts';
import type { OpenedAttempt, RequestRecord, ResponseSnapshot } from './external-call-store.ts';
import type { PreparedRequest } from './prepare-request.ts';
import { readAnswer, validate } from './read-answer.ts';
import type { Transport } from './transport.ts';

/** What stays the same over all attempts of one `Gateway.call`. */
export interface CallInProgress<I, R> {
  readonly definition: ExternalCall<I, R>;
  readonly options: CallOptions<R>;
  readonly transport: Transport;
  readonly request: PreparedRequest;
  readonly rules: EvidenceRules;
  readonly secrets: Secrets;
  readonly record: () => RequestRecord;
}

export interface AttemptTools {
  readonly audit: Audit;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One request, from its committed record to its committed snapshot. `onExchange` is told what came of it before that is recorded; it must not throw. */
export async function attemptCall<I, R>(
  call: CallInProgress<I, R>,
  opened: OpenedAttempt,
  tools: AttemptTools,
  onExchange?: (exchange: Exchange, classified: Classification) => void,
): Promise<CallOutcome<R>> {
  const { definition, options, request } = call;
  const { timeouts, maxResponseBytes } = definition;
  const exchange = await call.transport.exchange(request, { timeouts, maxResponseBytes, signal: options.signal });
  const now = tools.clock.now();
  const answer = exchange.kind === 'answered' ? readAnswer(exchange.answer) : undefined;
  const understanding = understand(call, exchange, answer, now);
  const { classified, response } = understanding instanceof Promise ? await understanding : understanding;
  onExchange?.(exchange, classified);
  const outcome = outcomeOf<R>(classified, answer, response, opened.attempt);
  log(call, opened, outcome, tools.logger);
  const error = 'error' in classified ? classified.error : undefined;
  return record(call, opened, responseSnapshot(exchange, error, call.rules, call.secrets, new Date(now)), outcome, {
    ...tools,
    leaseMs: tools.audit.leaseMs(timeouts.totalMs),
  });
}

interface Understood {
  readonly classified: Classification;
  readonly response: unknown;
}

/** Classifies the exchange; a success must match the call's schema as well, and only then there is anything to wait for. */
function understand<I, R>(
  { definition, request }: CallInProgress<I, R>,
  exchange: Exchange,
  answer: CallAnswer | undefined,
  now: number,
): Understood | Promise<Understood> {
  const { name, origin, timeouts, retry, classify } = definition;
  const attempted = `${request.method} ${origin} (${name})`;
  const classified = classifyOutcome(exchange, answer, { attempted, timeouts, maxRetryAfterMs: retry.maxRetryAfterMs, classify }, now);
  if (classified.status === 'SUCCESS' && answer && definition.readResponse)
    return { classified, response: definition.readResponse(answer) };
  if (classified.status !== 'SUCCESS' || !definition.response) return { classified, response: answer?.response };
  return validate(definition.response, answer?.response).then((checked): Understood => {
    if ('value' in checked) return { classified, response: checked.value };
    const error = new UnknownOutcomeError(`${attempted}: HTTP ${answer?.httpStatus}, but the answer ${checked.complaint}`);
    return { classified: { status: 'UNKNOWN', error }, response: undefined };
  });
}

/**
 * Closes the attempt. The outcome is what the row says: UNKNOWN where it was declared so, and PENDING under a lease where
 * nothing could be recorded. Whoever calls again after the lease finds that attempt open and declares it UNKNOWN, without
 * asking the institution; acknowledging it now would leave it to nobody.
 */
async function record<I, R>(
  { definition, options }: CallInProgress<I, R>,
  opened: OpenedAttempt,
  snapshot: ResponseSnapshot,
  outcome: CallOutcome<R>,
  { audit, leaseMs, logger }: AttemptTools & { readonly leaseMs: number },
): Promise<CallOutcome<R>> {
  const { apply } = options;
  const isFinal = outcome.status === 'SUCCESS' || outcome.status === 'FAIL';
  const failure = (what: string, cause?: unknown): UnknownOutcomeError => {
    const error = new UnknownOutcomeError(`call "${definition.name}": ended as ${outcome.status}, but ${what}`, { cause });
    // The code only: a driver's message quotes the statement.
    const reason = (cause as NodeJS.ErrnoException | undefined)?.code;
    logger.error({ ...idsOf(definition, options), attempt: opened.attempt, code: error.code, reason }, error.message);
    return error;
  };
  const unknown = (what: string, cause?: unknown): CallOutcome<R> => ({ status: 'UNKNOWN', error: failure(what, cause), replayed: false });
  try {
    const closed = await audit.close(opened, snapshot, outcome.status, {
      notBeforeMs: outcome.status === 'PENDING' ? outcome.retryAfterMs : undefined,
      apply: apply && isFinal ? (em) => apply(em, outcome) : undefined,
      inTransaction: isFinal ? options.inTransaction?.(outcome) : undefined,
    });
    if (closed.kind === 'lease-lost') return unknown('its lease had ended and the row was declared UNKNOWN');
    if (closed.kind === 'apply-failed') return unknown('applying it threw', closed.error);
    return outcome;
  } catch (cause) {
    return { status: 'PENDING', error: failure('that could not be recorded', cause), retryAfterMs: leaseMs, attempt: opened.attempt };
  }
}

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

function log<I, R>(
  { definition, options }: CallInProgress<I, R>,
  { attempt }: OpenedAttempt,
  outcome: CallOutcome<R>,
  logger: Logger,
): void {
  if (logger === silentLogger) return;
  const fields = { ...idsOf(definition, options), attempt, status: outcome.status };
  if (outcome.status === 'SUCCESS') logger.debug(fields, 'external call answered');
  else logger.warn({ ...fields, code: outcome.error.code }, outcome.error.message);
}

const idsOf = ({ name }: { readonly name: string }, { idempotencyKey, correlationId }: CallOptions<never>): object => ({
  call: name,
  idempotencyKey,
  correlationId,
});
