/** `warn`: it works, and will hurt one day. `fail`: something will not work, or a guarantee does not hold. `skipped`: nobody looked. */
export type Verdict = 'ok' | 'warn' | 'fail' | 'skipped';

/** What one look at the installation found: one sentence and, when something is to be done, one sentence about that. */
export type Finding = {
  /** Topic, group, table or origin, when the check looks at several. */
  readonly about?: string | undefined;
  readonly says: string;
} & (
  | { readonly verdict: 'ok' | 'skipped'; readonly advice?: string | undefined }
  | { readonly verdict: 'warn' | 'fail'; readonly advice: string }
);

/** A finding and the check it came from. */
export type Examination = Finding & { readonly check: string; readonly tookMs: number };

export const ok = (says: string, about?: string): Finding => ({ verdict: 'ok', says, about });
export const warn = (says: string, advice: string, about?: string): Finding => ({ verdict: 'warn', says, advice, about });
export const fail = (says: string, advice: string, about?: string): Finding => ({ verdict: 'fail', says, advice, about });
export const skipped = (says: string, advice?: string, about?: string): Finding => ({ verdict: 'skipped', says, advice, about });

/** Thrown where a check needs what another one has found missing: it is skipped, and the other one says what to do. */
export class CannotLook extends Error {}
