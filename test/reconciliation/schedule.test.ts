import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/embedded/manual-clock.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { startSchedule } from '../../src/reconciliation/schedule.ts';

const HOUR = 3_600_000;
const start = Date.parse('2026-01-01T00:03:00Z');

describe('startSchedule', () => {
  it('runs each job at its moments, which are the same for every process', async () => {
    const clock = new ManualClock({ start });
    const ran: string[] = [];
    const job = (name: string, cron: string) => ({ name, cron, run: async (tick: string) => void ran.push(`${name} ${tick}`) });
    const schedule = startSchedule({ jobs: [job('open', '*/10 * * * *'), job('delivery', '0 1 * * *')], clock });
    await clock.advance(7 * 60_000);
    expect(ran).toEqual(['open 2026-01-01T00:10:00.000Z']);
    await clock.advance(HOUR);
    expect(ran.filter((line) => line.startsWith('open'))).toHaveLength(7);
    expect(ran.filter((line) => line.startsWith('delivery'))).toEqual(['delivery 2026-01-01T01:00:00.000Z']);
    await schedule.close();
    expect(clock.sleepers).toBe(0);
  });

  it('sleeps to moments that are farther away than a timer reaches', async () => {
    const clock = new ManualClock({ start });
    const ran: string[] = [];
    const schedule = startSchedule({ jobs: [{ name: 'a', cron: '0 0 1 2 *', run: async (tick) => void ran.push(tick) }], clock });
    await clock.advance(31 * 24 * HOUR);
    expect(ran).toEqual(['2026-02-01T00:00:00.000Z']);
    await schedule.close();
  });

  it('a job that takes longer than its pause misses moments, and never runs beside itself', async () => {
    const clock = new ManualClock({ start });
    const ran: string[] = [];
    const run = async (tick: string): Promise<void> => {
      ran.push(tick.slice(14, 16));
      await clock.sleep(25 * 60_000);
    };
    const schedule = startSchedule({ jobs: [{ name: 'a', cron: '*/10 * * * *', run }], clock });
    await clock.advance(HOUR);
    expect(ran).toEqual(['10', '40']);
    const closing = schedule.close();
    await clock.advance(HOUR);
    await closing;
  });

  it('a job that fails is run again at its next moment', async () => {
    const clock = new ManualClock({ start });
    const failures: object[] = [];
    const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => void failures.push(fields) };
    const schedule = startSchedule({
      jobs: [{ name: 'a', cron: '* * * * *', run: () => Promise.reject(new Error('away')) }],
      clock,
      logger,
    });
    await clock.advance(2 * 60_000);
    expect(failures).toMatchObject([{ job: 'a' }, { job: 'a' }]);
    await schedule.close();
  });

  it('closing lets a job end, and aborts it after that', async () => {
    const clock = new ManualClock({ start });
    const aborted: boolean[] = [];
    const run = async (_tick: string, signal: AbortSignal): Promise<void> =>
      clock.sleep(HOUR, signal).catch(() => {
        aborted.push(signal.aborted);
      });
    const schedule = startSchedule({ jobs: [{ name: 'a', cron: '* * * * *', run }], clock });
    await clock.advance(60_000);
    const closing = schedule.close(10_000);
    expect(schedule.close()).toBe(closing);
    await clock.advance(9_999);
    expect(aborted).toEqual([]);
    await clock.advance(1);
    await closing;
    expect(aborted).toEqual([true]);
    expect(clock.sleepers).toBe(0);
  });

  it('refuses what is no cron expression', () => {
    const jobs = [{ name: 'open', cron: 'often', run: async () => {} }];
    expect(() => startSchedule({ jobs })).toThrow(ConfigurationError);
    expect(() => startSchedule({ jobs })).toThrow(/schedule of "open": "often" is no cron expression/);
  });
});
