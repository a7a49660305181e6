import { beforeEach, describe, expect, it } from 'vitest';
import type { CheckedHalfMessage } from '../../src/broker/transactional-producer.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { onTransactionEvent } from '../../src/transaction/diagnostics.ts';
import { ForeignChecks } from '../../src/transaction/foreign-checks.ts';

const NOW = 1_000_000_000;
let aside: number[];
let toss: number;
let told: string[];
const checks = (): ForeignChecks =>
  new ForeignChecks({
    stepAside: (ms) => aside.push(ms),
    random: () => toss,
    logger: { ...silentLogger, error: (_fields: unknown, text?: string) => void told.push(text ?? '') },
  });

/** A half asked about for the `round`th time by a broker that asks every `intervalMs`. */
const half = (round: number, { intervalMs = 30_000, owner = 'billing' } = {}): CheckedHalfMessage => ({
  topic: 'orders',
  tag: 'placed',
  keys: [],
  body: new Uint8Array(),
  properties: { 'checkback-owner': owner, 'checkback-tx': 't1' },
  messageId: 'm1',
  round,
  bornAt: new Date(NOW - round * intervalMs),
});

beforeEach(() => {
  aside = [];
  told = [];
  toss = 0;
});

describe('ForeignChecks', () => {
  it('stays for a first round, which anybody may be asked', () => {
    checks().asked(half(1), NOW);
    expect(aside).toEqual([]);
  });

  it('steps aside for two check intervals and a half when it is asked again', () => {
    checks().asked(half(4), NOW);
    expect(aside).toEqual([75_000]);
  });

  it('leaves it to chance, or two owners would step aside together', () => {
    toss = 0.5;
    checks().asked(half(4), NOW);
    expect(aside).toEqual([]);
  });

  it('tosses once in that time, however many halves it is asked about', () => {
    const one = checks();
    toss = 0.5;
    for (let count = 0; count < 100; count += 1) one.asked(half(4), NOW + count);
    toss = 0;
    one.asked(half(4), NOW + 74_999);
    expect(aside).toEqual([]);
    one.asked(half(5), NOW + 75_000);
    expect(aside).toHaveLength(1);
  });

  it.each([
    ['a clock that is behind', { intervalMs: -3_600_000 }, 1_000],
    ['a half of last week', { intervalMs: 300_000_000 }, 120_000],
  ])('bounds the time by %s', (_what, options, expected) => {
    checks().asked(half(2, options), NOW);
    expect(aside).toEqual([expected]);
  });

  it('tells of each other owner once in the log and every time as an event', () => {
    const events: unknown[] = [];
    const stop = onTransactionEvent('foreign-owner', ({ owner }) => events.push(owner));
    const one = checks();
    one.asked(half(1), NOW);
    one.asked(half(2), NOW);
    one.asked(half(1, { owner: 'mail' }), NOW);
    stop();
    expect(events).toEqual(['billing', 'billing', 'mail']);
    expect(told).toEqual([expect.stringMatching(/another owner, "billing"/), expect.stringMatching(/another owner, "mail"/)]);
  });
});
