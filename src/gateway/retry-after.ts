/**
 * Milliseconds from `now` that a Retry-After header asks to wait, as seconds or as a date (RFC 9110 §10.2.3), cut to
 * `maxMs`; a date gone by is 0, garbage is `undefined`.
 */
export function parseRetryAfter(value: string | undefined, now: number, maxMs: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d{1,15}$/.test(text)) return Math.min(Number(text) * 1000, maxMs);
  // Date.parse reads far more than HTTP dates ("1.5", "-1"); only the form with a day name is one.
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at - now, 0), maxMs);
}
