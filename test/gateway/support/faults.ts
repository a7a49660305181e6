import type { MockBankStep } from '../../../src/cli/mock-bank/mock-bank.ts';

/** Every way of the mock bank to answer badly or not at all; needs a `readMs` of about 100. */
export const FAULTS: readonly MockBankStep[] = [
  { kind: 'reject' },
  { kind: 'answer', status: 429 },
  { kind: 'unavailable', retryAfter: '0' },
  { kind: 'unavailable' },
  { kind: 'bad-gateway' },
  { kind: 'bad-gateway', acts: false },
  { kind: 'never-answer' },
  { kind: 'stall-body' },
  { kind: 'truncate' },
  { kind: 'endless' },
  { kind: 'garbage' },
  { kind: 'close-after' },
  { kind: 'reset', when: 'before-body' },
  { kind: 'reset', when: 'during-body' },
  { kind: 'reset', when: 'after-body' },
  { kind: 'reset', when: 'during-answer' },
  { kind: 'slow', delayMs: 20 },
  { kind: 'slow', delayMs: 400 },
];

/** mulberry32: the same faults for the same seed. */
export const randomFrom = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
