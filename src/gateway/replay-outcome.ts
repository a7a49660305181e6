import { CallRejectedError, UnknownOutcomeError } from '../errors.ts';
import type { CallOutcome } from './call-outcome.ts';
import type { ExternalCall } from './external-call.ts';
import type { RecordedOutcome } from './external-call-store.ts';
import { readBody, validate } from './read-answer.ts';

/**
 * The outcome on record. Its response is read from the evidence, so what was masked there is masked here, and it is
 * `undefined` (with HTTP status 0) when a status check settled the call without an answer of its own.
 */
export async function replayOutcome<R>(call: ExternalCall<never, R>, recorded: RecordedOutcome): Promise<CallOutcome<R>> {
  const { status, httpStatus = 0, contentType = '', body, attempts } = recorded;
  const on = `call "${call.name}": on record as ${status} after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
  if (status === 'UNKNOWN')
    return {
      status,
      error: new UnknownOutcomeError(`${on}${recorded.errorCode ? ` (${recorded.errorCode})` : ''}; a status check must settle it`),
      replayed: true,
    };
  const response = body && readBody(body, contentType)?.value;
  if (status === 'FAIL') return { status, error: new CallRejectedError(`${on}, HTTP ${httpStatus}`), httpStatus, response, replayed: true };
  const checked = call.response && response !== undefined ? await validate(call.response, response) : { value: response as R };
  // It matched when it came; masking may have made it not match now, which does not undo a success.
  return { status, response: 'value' in checked ? checked.value : (response as R), httpStatus, replayed: true };
}
