import { describe, expect, it } from 'vitest';
import { countersOf } from '../../bench/cost/database-counters.ts';
import { requireDurable } from '../../bench/cost/durability.ts';
import { parseCpuUs } from '../../bench/cost/process-cpu.ts';
import { judge } from '../../bench/checkback/delivered.ts';
import { latencies } from '../../bench/load/latencies.ts';
import type { Loaded } from '../../bench/load/loaded.ts';
import { roundSize } from '../../bench/load/round-size.ts';
import { findSustainable, isSustained } from '../../bench/load/sustained.ts';
import { measured, ratios } from '../../bench/measure.ts';
import { harmonic, perRound } from '../../bench/publish/floors.ts';
import { runSteady } from '../../bench/publish/steady.ts';

const loaded = (some: Partial<Loaded>): Loaded => ({
  orders: 0,
  failed: 0,
  wallMs: 0,
  cpuUs: 0,
  p50Ms: 0,
  p99Ms: 0,
  openAtMiddle: 0,
  openAtEnd: 0,
  rssBytes: 0,
  checks: 0,
  ...some,
});

describe('measured', () => {
  it('gives the middle value, and half the distance between the quartiles as a part of it', () => {
    expect(measured('ms', [5, 1, 3, 2, 4])).toEqual({ unit: 'ms', median: 3, min: 1, max: 5, spread: 0.3333, repeats: [5, 1, 3, 2, 4] });
  });

  it('has no spread around a middle value of nothing', () => {
    expect(measured('messages', [0, 0]).spread).toBe(0);
  });

  it('takes a ratio round by round, not of two middles', () => {
    expect(ratios([10, 40, 90], [10, 20, 30]).median).toBe(2);
  });
});

describe('latencies', () => {
  it('keeps three digits of milliseconds and puts what is beyond a minute at a minute', () => {
    const seen = latencies();
    for (const ms of [1.234, 2, 3, 100_000]) seen.record(ms);
    expect(seen.percentile(25)).toBeCloseTo(1.234, 2);
    expect(seen.percentile(100)).toBeCloseTo(60_000, -2);
  });

  it('says that there are none', () => {
    expect(latencies().percentile(50)).toBeNaN();
  });
});

describe('isSustained', () => {
  const met = loaded({ wallMs: 2_010, openAtMiddle: 8, openAtEnd: 9 });
  it.each([
    ['met', met, true],
    ['with more and more orders open', { ...met, openAtEnd: 90 }, false],
    ['done too late', { ...met, wallMs: 2_600 }, false],
    ['with a failure', { ...met, failed: 1 }, false],
  ])('an open loop %s: %#', (_, seen, expected) => {
    expect(isSustained(seen, 500, 2_000)).toBe(expected);
  });

  it('the highest rate is the last one before the first that is not sustained', async () => {
    const tried: string[] = [];
    const found = await findSustainable([100, 200, 300, 400], 1_000, (command) => {
      tried.push(command);
      return Promise.resolve(loaded({ wallMs: 1_000, openAtEnd: command.includes(' 300 ') ? 200 : 0 }));
    });
    expect({ found, tried }).toEqual({ found: 200, tried: ['open 100 1000', 'open 200 1000', 'open 300 1000'] });
  });
});

describe('roundSize', () => {
  it('follows what the variant did last, and is never too small to tell anything', () => {
    const size = roundSize(1_500, 300);
    expect(size.of('a')).toBe(300);
    size.was('a', 1_000);
    size.was('b', 10);
    expect([size.of('a'), size.of('b')]).toEqual([1_500, 300]);
  });
});

describe('floors', () => {
  it('add their times up on the same cores', () => {
    expect(harmonic(1_000, 1_000)).toBe(500);
    expect(perRound(Math.min, [1, 5], [3, 4])).toEqual([1, 4]);
  });
});

describe('runSteady', () => {
  it('ends after its time with what it has, which is two parts at least', async () => {
    const slow = (command: string) => Promise.resolve(loaded({ orders: Number(command.split(' ')[2]), wallMs: 600 }));
    const options = { inFlight: 8, warmUp: 10, part: 100, orders: 1_000 };
    const { signal } = new AbortController();
    expect((await runSteady(slow, { ...options, maxMs: 1_000 }, signal)).orders).toBe(200);
    expect((await runSteady(slow, { ...options, maxMs: 2_000 }, signal)).orders).toBe(300);
  });

  it('compares the last part with the first one after the start', async () => {
    const cpu = [9_000, 900, 1_100, 1_210];
    const commands: string[] = [];
    const steady = await runSteady(
      (command) => {
        commands.push(command);
        const orders = Number(command.split(' ')[2]);
        return Promise.resolve(loaded({ orders, cpuUs: cpu.shift()! * orders, rssBytes: 100 + commands.length, wallMs: 10 }));
      },
      { inFlight: 8, warmUp: 10, part: 100, orders: 300, maxMs: 60_000 },
      new AbortController().signal,
    );
    expect(commands).toEqual(['closed 8 10', 'closed 8 90', 'closed 8 100', 'closed 8 100']);
    expect(steady.cpuGrowth).toBeCloseTo(1_210 / 900);
    expect(steady.rssGrowth).toBeCloseTo(104 / 102);
    expect(steady.points.map(({ orders }) => orders)).toEqual([100, 200, 300]);
  });
});

describe('counters', () => {
  it('reads a process name with spaces and brackets in it', () => {
    const stat = '42 (a (b) c) S 1 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1 1 1';
    expect(parseCpuUs(stat)).toBe(2_000_000);
  });

  it("takes InnoDB's own count of rows, and the handlers' where the server has dropped it", () => {
    const handlers = { handler_write: 1, handler_update: 2, handler_delete: 4, innodb_data_fsyncs: 8, binlog_group_commits: 16 };
    expect(countersOf(handlers, [100, 20])).toMatchObject({ rowsWritten: 7, binlogBytes: 120, fsyncs: 24 });
    expect(countersOf({ ...handlers, innodb_rows_inserted: 3, innodb_rows_updated: 0, innodb_rows_deleted: 0 }, [])).toMatchObject({
      rowsWritten: 3,
    });
  });

  it('refuses servers that may lose what they acknowledged, naming each setting', () => {
    const durable = { innodb_flush_log_at_trx_commit: '1', sync_binlog: '1', flushDiskType: 'SYNC_FLUSH' };
    expect(() => requireDurable(durable)).not.toThrow();
    expect(() => requireDurable({ ...durable, sync_binlog: '0', flushDiskType: 'ASYNC_FLUSH' })).toThrow(
      /sync_binlog is 0, not 1; flushDiskType is ASYNC_FLUSH, not SYNC_FLUSH/,
    );
  });
});

describe('judge', () => {
  it('tells what is lost, what is a ghost, and what came twice', () => {
    expect(judge(['a', 'b', 'b', 'x'], ['a', 'b', 'c'])).toEqual({ delivered: 3, lost: 1, ghosts: 1, twice: 1 });
  });
});
