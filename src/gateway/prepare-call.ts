import { CheckbackError, InvalidMessageError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import type { CallInProgress } from './attempt-call.ts';
import type { CallOptions } from './call-outcome.ts';
import { evidenceRules, type EvidenceRules, requestRecord, secretsOf } from './evidence.ts';
import type { ExternalCall } from './external-call.ts';
import type { Origin } from './origin.ts';
import { type PreparedRequest, prepareRequest } from './prepare-request.ts';
import { validate } from './read-answer.ts';
import type { Transport } from './transport.ts';

/** The input as the call's schema gives it back. Rejects with `InvalidMessageError` that names places, never values. */
export async function checkInput<I>(definition: ExternalCall<I, unknown>, input: I): Promise<I> {
  if (!definition.request) return input;
  const checked = await validate(definition.request, input);
  if ('complaint' in checked) throw new InvalidMessageError(`call "${definition.name}": its input ${checked.complaint}`);
  return checked.value as I;
}

const rulesOf = new WeakMap<object, EvidenceRules>();

/** Everything about a call that stays the same over its attempts. Throws `InvalidMessageError` when no request can be built; does no I/O. */
export function prepareCall<I, R>(
  definition: ExternalCall<I, R>,
  { origin, transport }: { readonly origin: Origin; readonly transport: Transport },
  input: I,
  options: CallOptions<R>,
  clock: Clock,
): CallInProgress<I, R> {
  const rules = rulesOf.get(definition) ?? evidenceRules(definition);
  rulesOf.set(definition, rules);
  const request = build(definition, origin, input, options);
  const { idempotencyKey, correlationId } = options;
  const ids = { callName: definition.name, origin: origin.name, idempotencyKey, correlationId };
  const secrets = secretsOf(request, rules);
  const record = () => requestRecord(ids, request, rules, secrets, new Date(clock.now()));
  return { transport, definition, options, request, rules, secrets, record };
}

function build<I, R>(definition: ExternalCall<I, R>, origin: Origin, input: I, options: CallOptions<R>): PreparedRequest {
  try {
    return prepareRequest(definition, origin, input, options);
  } catch (error) {
    if (error instanceof CheckbackError) throw error;
    throw new InvalidMessageError(`call "${definition.name}": its definition threw while building the request`, { cause: error });
  }
}
