import { CheckbackError } from '../../errors.ts';

/**
 * The local stack could not be started, found or ended. The message says which part, what was tried and what came back;
 * what had been started by then has been ended. Trying again is allowed: `up` begins by clearing what an earlier one left.
 */
export class StackError extends CheckbackError {
  readonly code = 'CB_STACK';
  readonly acted = 'maybe';
  readonly retryable = true;
}
