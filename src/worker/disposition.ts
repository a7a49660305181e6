import { InvalidMessageError } from '../errors.ts';
import type { CallOutcome } from '../gateway/gateway.ts';
import { failureClassOf } from './failure-class.ts';
import { backoffFor, fullJitter, MAX_INVISIBLE_MS } from './retry-options.ts';
import type { RetryOptions } from './retry-options.ts';

/** What becomes of a delivery once it has been worked. */
export type Disposition =
  /** Its end is known, or written down as UNKNOWN: it never comes again. */
  | { readonly kind: 'ack' }
  /** It comes again, not before `afterMs`. */
  | { readonly kind: 'retry'; readonly afterMs: number; readonly reason: string }
  /** No further delivery would help: a person or a policy decides. */
  | { readonly kind: 'deadLetter'; readonly reason: string };

/** What a decision depends on besides the outcome itself. */
export interface DispositionContext {
  /** 1 at the first delivery; counted by the broker, so it survives the death of a worker. */
  readonly deliveryAttempt: number;
  readonly retry: RetryOptions;
  /** Gives a number in [0, 1): the jitter. */
  readonly random: () => number;
}

/**
 * Decides about a delivery whose call has an outcome. Pure.
 * SUCCESS and FAIL are ends. UNKNOWN is acknowledged too and never retried blindly: the institution may have acted, the
 * row says UNKNOWN and a status check follows. PENDING is retried until `maxDeliveries`, not before `retryAfterMs`, with
 * full jitter on top so that a thousand messages told the same Retry-After do not come back in the same instant. The
 * attempts a gateway makes within one call count as one delivery here, and a delivery without any attempt as none: the
 * number of attempts is kept with the call's row, so it is the bound of what the broker's own counter says.
 */
export const dispositionOfOutcome = (outcome: CallOutcome<unknown>, context: DispositionContext): Disposition => {
  if (outcome.status !== 'PENDING') return { kind: 'ack' };
  const worked = failureClassOf(outcome.error) === 'throttled' ? 0 : Math.min(context.deliveryAttempt, outcome.attempt);
  return retryOrGiveUp(outcome.error, context, worked, outcome.retryAfterMs);
};

/**
 * Decides about a delivery whose handling threw. Pure. A message that can never be understood (`InvalidMessageError`)
 * is dead at once; everything else, known or not, is retried until `maxDeliveries` and then dead: never swallowed,
 * never for ever.
 */
export const dispositionOfError = (error: unknown, context: DispositionContext): Disposition =>
  error instanceof InvalidMessageError
    ? { kind: 'deadLetter', reason: describe(error) }
    : retryOrGiveUp(error, context, context.deliveryAttempt, undefined);

const retryOrGiveUp = (
  error: unknown,
  { deliveryAttempt, retry, random }: DispositionContext,
  worked: number,
  notBeforeMs: number | undefined,
): Disposition => {
  const backoff = backoffFor(retry, failureClassOf(error));
  if (worked >= backoff.maxDeliveries) {
    return { kind: 'deadLetter', reason: `given up after ${deliveryAttempt} deliveries: ${describe(error)}` };
  }
  const afterMs = Math.max(0, notBeforeMs ?? 0) + fullJitter(deliveryAttempt, backoff, random);
  return { kind: 'retry', afterMs: Math.min(afterMs, MAX_INVISIBLE_MS), reason: describe(error) };
};

// Anything may be thrown, even what String() chokes on.
const describe = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : `a thrown ${typeof error}`);
