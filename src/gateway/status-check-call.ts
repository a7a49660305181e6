import { hash } from 'node:crypto';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../errors.ts';
import { defaultStatus } from './classify-outcome.ts';
import type { CallStatus } from './call-status.ts';
import { type CallAnswer, defineExternalCall, type ExternalCall } from './external-call.ts';
import { type ResolvedStatusCheck, STATUS_CALL_SUFFIX, type StatusAnswer } from './status-check.ts';

/** "What became of this call?" */
export interface StatusQuestion<Input> {
  /** The input of the call asked about. */
  readonly input: Input;
  /** Its idempotency key, not the question's own. */
  readonly idempotencyKey: string;
}

const derived = new WeakMap<object, ExternalCall<never, unknown>>();

/**
 * The status check of a call as a call of its own, `<name>.status`, on the same origin, so that questions have evidence,
 * time-outs and limits like every other call. SUCCESS is an answer that says what became of the call; everything else is
 * PENDING or UNKNOWN and says nothing, a throwing or silent `interpret` included. Never FAIL.
 *
 * Every time it is asked it needs an idempotency key of its own (`statusQuestionKey`): an outcome on record says what
 * was so then, perhaps with its values masked, and comes back as UNKNOWN. The same call gives the same definition.
 * Throws `ConfigurationError` when the call has no status check.
 */
export function statusCheckCall<Input, Response>(
  call: ExternalCall<Input, Response>,
): ExternalCall<StatusQuestion<Input>, StatusAnswer<Response>> {
  const known = derived.get(call);
  if (known) return known as unknown as ExternalCall<StatusQuestion<Input>, StatusAnswer<Response>>;
  const { statusCheck: check } = call;
  if (!check) throw new ConfigurationError(`external call "${call.name}" has no status check`);
  const made = derive(call, check);
  derived.set(call, made);
  return made;
}

/** The idempotency key of the nth question about a call. A key too long to be continued is stood for by its hash. */
export function statusQuestionKey(idempotencyKey: string, nth: number): string {
  const key = `${idempotencyKey}#${nth}`;
  return key.length <= 128 ? key : `${hash('sha256', idempotencyKey)}#${nth}`;
}

function derive<Input, Response>(
  call: ExternalCall<Input, Response>,
  check: ResolvedStatusCheck<Input, Response>,
): ExternalCall<StatusQuestion<Input>, StatusAnswer<Response>> {
  const { body, headers, path, interpret } = check;
  const definition = defineExternalCall<StatusQuestion<Input>, StatusAnswer<Response>>({
    name: call.name + STATUS_CALL_SUFFIX,
    origin: call.origin,
    method: check.method ?? 'GET',
    path: (asked) => path(asked.input, asked.idempotencyKey),
    ...(body && { body: (asked: StatusQuestion<Input>) => body(asked.input, asked.idempotencyKey) }),
    ...(headers && { headers: (asked: StatusQuestion<Input>) => headers(asked.input, asked.idempotencyKey) }),
    ...(call.request && { request: questionSchema(call.request) }),
    timeouts: { ...call.timeouts, ...check.timeouts },
    retry: call.retry,
    classify: (answer) => questionStatus(interpret(answer), answer),
    maxResponseBytes: call.maxResponseBytes,
    ...(call.keep && { keep: call.keep }),
    ...(call.mask && { mask: call.mask }),
    ...(call.keepHeaders && { keepHeaders: call.keepHeaders }),
  });
  // Asked for only when `interpret` has just understood the answer, and it is pure.
  return Object.freeze({ ...definition, readResponse: (answer: CallAnswer) => interpret(answer)! });
}

/** What is not understood is no success and no refusal, whatever its HTTP status says. */
function questionStatus(said: StatusAnswer<unknown> | undefined, answer: CallAnswer): CallStatus {
  if (said !== undefined) return 'SUCCESS';
  return defaultStatus(answer) === 'PENDING' ? 'PENDING' : 'UNKNOWN';
}

/** The call's own check of its input, for the input inside a question. */
const questionSchema = <Input>(schema: StandardSchemaV1): StandardSchemaV1<unknown, StatusQuestion<Input>> => ({
  '~standard': {
    version: 1,
    vendor: 'checkback',
    validate: async (question) => {
      const { input, idempotencyKey } = question as StatusQuestion<unknown>;
      const result = await schema['~standard'].validate(input);
      return result.issues ? result : { value: { input: result.value as Input, idempotencyKey } };
    },
  },
});
