import { MIXED, STEADY, type Workload } from '../workload.ts';
import { AUDIT_AFTER_CALL } from './audit-after-call.ts';
import { NEW_KEY_PER_RETRY, RETRY_AFTER_READ_TIMEOUT } from './blind-retries.ts';
import { BUSINESS_KEY_LOOKUP } from './business-key.ts';
import { FOREIGN_OWNER_ROLLBACK } from './foreign-owner.ts';
import { IN_DOUBT_AS_COMMIT, IN_DOUBT_AS_ROLLBACK } from './in-doubt.ts';
import { LOCK_AFTER_HALF } from './lock-after-half.ts';
import { DUPLICATE_MARKER_IGNORED, MARKER_FIRST_READ, MARKER_PURGED_EARLY } from './markers.ts';
import { FOR_SHARE_FIRST, PLAIN_SELECT_BEFORE_COMMIT, PLAIN_SELECT_FIRST, PLAIN_SELECT_OVERLAPPED } from './plain-look-ups.ts';
import type { UnsafeVariant } from './unsafe-variant.ts';

/** The wrong protocols: first those of publishing, which test/model/unsafe-variants.ts proves unsafe as well, then those of calling. */
export const UNSAFE_VARIANTS: ReadonlyMap<string, UnsafeVariant> = new Map([
  ['plain-select-first', PLAIN_SELECT_FIRST],
  ['plain-select-overlapped', PLAIN_SELECT_OVERLAPPED],
  ['plain-select-before-commit', PLAIN_SELECT_BEFORE_COMMIT],
  ['for-share-first', FOR_SHARE_FIRST],
  ['lock-after-half', LOCK_AFTER_HALF],
  ['duplicate-marker-ignored', DUPLICATE_MARKER_IGNORED],
  ['marker-first-read', MARKER_FIRST_READ],
  ['marker-purged-early', MARKER_PURGED_EARLY],
  ['in-doubt-as-rollback', IN_DOUBT_AS_ROLLBACK],
  ['in-doubt-as-commit', IN_DOUBT_AS_COMMIT],
  ['foreign-owner-rollback', FOREIGN_OWNER_ROLLBACK],
  ['business-key-lookup', BUSINESS_KEY_LOOKUP],
  ['retry-after-read-timeout', RETRY_AFTER_READ_TIMEOUT],
  ['new-idempotency-key-per-retry', NEW_KEY_PER_RETRY],
  ['audit-after-call', AUDIT_AFTER_CALL],
]);

/**
 * What the orders of a run are like. With the name of a variant: its own, and nothing else that would hide or hurry what
 * it breaks.
 */
export function workloadOf({ isSteady, workload }: { readonly isSteady: boolean; readonly workload: string | undefined }): Workload {
  if (workload === undefined) return isSteady ? STEADY : MIXED;
  return { ...STEADY, slowExecute: 0, charged: 0, maxAttempts: MIXED.maxAttempts, ...UNSAFE_VARIANTS.get(workload)?.workload };
}
