import { CallUnavailableError } from '../errors.ts';
import type { Classification } from './classify-outcome.ts';
import type { Exchange } from './exchange.ts';

/** What one exchange says about the health of its institution. */
export type CircuitVerdict =
  /** It answered, whatever it said. */
  | { readonly kind: 'alive' }
  /** It could not be reached, was too slow, went away, or something in front of it answered in its place. */
  | { readonly kind: 'failed' }
  /** It asks to be left alone, perhaps for so long. */
  | { readonly kind: 'busy'; readonly retryAfterMs: number | undefined }
  /** Nothing: the exchange ended because of us. */
  | { readonly kind: 'silent' };

/** Pure. A refusal of the request, a redirect or an answer that breaks its schema all come from somebody who is alive. */
export function circuitVerdict(exchange: Exchange, classified: Classification): CircuitVerdict {
  if (exchange.kind === 'failed') {
    if (exchange.reason === 'cancelled') return { kind: 'silent' };
    return { kind: exchange.reason === 'oversized' ? 'alive' : 'failed' };
  }
  if (classified.status === 'PENDING' && classified.error instanceof CallUnavailableError)
    return { kind: 'busy', retryAfterMs: classified.retryAfterMs };
  // A 5xx that the call's own classifier calls definite is the institution's word.
  return { kind: classified.status === 'UNKNOWN' && exchange.answer.httpStatus >= 500 ? 'failed' : 'alive' };
}
