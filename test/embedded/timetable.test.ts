import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../src/embedded/manual-clock.ts';
import { Timetable } from '../../src/embedded/timetable.ts';

describe('Timetable', () => {
  let timetable: Timetable;
  let clock: ManualClock;
  const start = () => {
    clock = new ManualClock({ start: 0 });
    timetable = new Timetable(clock);
    const running = timetable.run();
    return { clock, timetable, running };
  };
  afterEach(() => timetable.close());

  it('runs appointments in the order of their time, then in the order they were made', async () => {
    start();
    const ran: string[] = [];
    for (const [name, at] of [
      ['c', 30],
      ['a', 10],
      ['b1', 20],
      ['b2', 20],
    ] as const)
      timetable.at(at, () => ran.push(`${name}@${clock.now()}`));
    await clock.advance(25);
    expect(ran).toEqual(['a@10', 'b1@20', 'b2@20']);
    await clock.advance(5);
    expect(ran.at(-1)).toBe('c@30');
  });

  it('wakes up for an appointment that is earlier than all others, made while it sleeps', async () => {
    start();
    const ran: number[] = [];
    timetable.at(1_000, () => ran.push(1_000));
    await clock.advance(1);
    timetable.at(5, () => ran.push(5));
    await clock.advance(9);
    expect(ran).toEqual([5]);
  });

  it('runs what is already due, and nothing that was cancelled', async () => {
    start();
    const ran: string[] = [];
    timetable.at(-5, () => ran.push('late'));
    timetable.at(1, () => ran.push('no')).cancel();
    await clock.advance(10);
    expect(ran).toEqual(['late']);
  });

  it('keeps no trace of a hundred thousand cancelled appointments', () => {
    start();
    for (let made = 0; made < 100_000; made += 1) timetable.at(1_000_000, () => {}).cancel();
    expect(timetable.size).toBe(0);
    expect(timetable.kept).toBeLessThan(2_000);
  });

  it('ends when it is closed, without a sleep left on the clock', async () => {
    const { running } = start();
    timetable.at(1_000, () => {});
    await clock.advance(1);
    expect(clock.sleepers).toBe(1);
    timetable.close();
    await running;
    expect(clock.sleepers).toBe(0);
  });
});
