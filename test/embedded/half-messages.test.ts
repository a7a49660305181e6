import { describe, expect, it } from 'vitest';
import { HalfMessages } from '../../src/embedded/half-messages.ts';
import { halfMessage } from './support/messages.ts';

const SETTINGS = { transactionTimeOutMs: 1_000, transactionCheckMax: 2, reservedMs: 1_000_000 };
const kinds = (halves: HalfMessages, now: number) => halves.scan(now, SETTINGS).map(({ kind }) => kind);

describe('HalfMessages', () => {
  it('are asked about once they are older than the timeout, counted from their birth', () => {
    const halves = new HalfMessages();
    halves.store(halfMessage({ bornAt: 0 }), 0);
    expect(kinds(halves, 1_000)).toEqual([]);
    expect(kinds(halves, 1_001)).toEqual(['ask']);
  });

  it('are asked about at once when they come from the future', () => {
    const halves = new HalfMessages();
    halves.store(halfMessage({ bornAt: 5_000 }), 0);
    expect(kinds(halves, 1)).toEqual(['ask']);
  });

  it('continue under a new offset with every round, and are parked after the last', () => {
    const halves = new HalfMessages();
    halves.store(halfMessage({ bornAt: 0 }), 0);
    const [first] = halves.scan(2_000, SETTINGS);
    expect(first).toMatchObject({ kind: 'ask', half: { offset: 0, round: 0 }, copy: { offset: 1, round: 1 } });
    const [second] = halves.scan(3_000, SETTINGS);
    expect(second).toMatchObject({ kind: 'ask', half: { offset: 1 }, copy: { offset: 2, round: 2 } });
    expect(halves.scan(4_000, SETTINGS)).toMatchObject([{ kind: 'park', half: { offset: 2 } }]);
    expect(halves.size).toBe(0);
  });

  it('without a time of birth are parked at the first scan', () => {
    const halves = new HalfMessages();
    halves.store(halfMessage({ bornAt: 0 }), 2_000_000);
    expect(kinds(halves, 2_000_001)).toEqual(['park']);
  });

  it('wait for those before them in the queue', () => {
    const halves = new HalfMessages();
    halves.store(halfMessage({ bornAt: 5_000 }), 5_000);
    halves.store(halfMessage({ bornAt: 0 }), 5_000);
    expect(kinds(halves, 5_500)).toEqual([]);
    expect(kinds(halves, 6_001)).toEqual(['ask', 'ask']);
  });

  it('that are ended are asked about until that is written', () => {
    const halves = new HalfMessages();
    const half = halves.store(halfMessage({ bornAt: 0 }), 0);
    halves.end(half);
    expect(kinds(halves, 2_000)).toEqual(['ask']);
    const other = halves.store(halfMessage({ bornAt: 0 }), 0);
    halves.end(other);
    expect(halves.writeOps()).toEqual([other.offset]);
    expect(halves.size).toBe(1);
  });

  it('of an earlier offset, ended late, do not stop the rounds', () => {
    const halves = new HalfMessages();
    const half = halves.store(halfMessage({ bornAt: 0 }), 0);
    halves.scan(2_000, SETTINGS);
    halves.end(half);
    halves.writeOps();
    expect(kinds(halves, 3_000)).toEqual(['ask']);
  });

  it('with immunity burn a round at each scan, and are dropped by the end of their first copy', () => {
    const halves = new HalfMessages();
    const half = halves.store(halfMessage({ bornAt: 0, checkImmunityMs: 10_000 }), 0);
    expect(halves.scan(1_000, SETTINGS)).toMatchObject([{ kind: 'put back', copy: { round: 1, originalOffset: 0 } }]);
    halves.end(half);
    expect(kinds(halves, 2_000)).toEqual(['drop']);
  });
});
