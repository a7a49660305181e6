import type { StatusCheckTimes } from '../gateway/status-check.ts';

/** What follows a try that brought no end. */
export type Afterwards = { readonly kind: 'pause'; readonly afterMs: number } | { readonly kind: 'review' };

export interface Unanswered {
  /** Questions before this try. */
  readonly checks: number;
  readonly unknownForMs: number;
  /** Whether this try was one. */
  readonly isCounted: boolean;
  /** Not before this from now, whatever else. */
  readonly retryAfterMs?: number | undefined;
  /** Somebody's attempt is under way and may bring the end: no moment for a person. */
  readonly isInProgress?: boolean;
}

/** After a try that did not reach the institution. */
const UNCOUNTED_PAUSE_MS = 10_000;

/**
 * Decides when to try again. Pure. The pause doubles from `afterMs` up to `maxDelayMs` with jitter on its upper half, and
 * ends at the maximum age at the latest, when the last question is asked. Past that age a person is next, though never
 * before the institution was asked at least once: after an outage of ours everything would be old and nothing asked.
 */
export const pauseOrReview = (
  { checks, unknownForMs, isCounted, retryAfterMs = 0, isInProgress = false }: Unanswered,
  { afterMs, maxDelayMs, maxAgeMs }: StatusCheckTimes,
  random: () => number,
): Afterwards => {
  const asked = checks + (isCounted ? 1 : 0);
  const leftMs = maxAgeMs - unknownForMs;
  if (leftMs <= 0 && asked > 0 && !isInProgress) return { kind: 'review' };
  const ceilingMs = isCounted ? Math.min(maxDelayMs, afterMs * 2 ** Math.min(asked, 40)) : Math.min(maxDelayMs, UNCOUNTED_PAUSE_MS);
  const pauseMs = Math.ceil(ceilingMs / 2 + (random() * ceilingMs) / 2);
  return { kind: 'pause', afterMs: Math.max(retryAfterMs, leftMs > 0 ? Math.min(pauseMs, leftMs) : pauseMs) };
};
