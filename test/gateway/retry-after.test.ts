import { describe, expect, it } from 'vitest';
import { parseRetryAfter } from '../../src/gateway/retry-after.ts';

const NOW = Date.parse('2026-05-06T07:08:09Z');
const HOUR = 3_600_000;

describe('parseRetryAfter', () => {
  it.each([
    ['120', 120_000],
    [' 0 ', 0],
    ['3600', HOUR],
    ['99999999999', HOUR],
    ['Wed, 06 May 2026 07:09:09 GMT', 60_000],
    ['Wed, 06 May 2026 07:00:00 GMT', 0],
    ['Wed, 06 May 2036 07:00:00 GMT', HOUR],
    ['Wednesday, 06-May-26 07:09:09 GMT', 60_000],
  ])('reads %j', (value, ms) => {
    expect(parseRetryAfter(value, NOW, HOUR)).toBe(ms);
  });

  it.each([undefined, '', 'soon', '-1', '1.5', '1e3', '0x10', '2026-05-06', 'Monday', '1, 2', '9'.repeat(400)])(
    'makes nothing of %j',
    (value) => {
      expect(parseRetryAfter(value, NOW, HOUR)).toBeUndefined();
    },
  );
});
