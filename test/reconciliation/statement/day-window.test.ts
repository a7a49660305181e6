import { describe, expect, it } from 'vitest';
import { dayOf, dayWindow } from '../../../src/reconciliation/statement/day-window.ts';

const window = (day: string, rule = {}): string[] => {
  const { from, to } = dayWindow(day, rule);
  return [from.toISOString(), to.toISOString()];
};

describe('dayWindow', () => {
  it('is from midnight to midnight of the time zone', () => {
    expect(window('2026-01-31')).toEqual(['2026-01-31T00:00:00.000Z', '2026-02-01T00:00:00.000Z']);
    expect(window('2026-01-31', { timeZone: 'Europe/Berlin' })).toEqual(['2026-01-30T23:00:00.000Z', '2026-01-31T23:00:00.000Z']);
    expect(window('2026-01-31', { timeZone: 'Asia/Kolkata' })).toEqual(['2026-01-30T18:30:00.000Z', '2026-01-31T18:30:00.000Z']);
  });

  it('is from one cut-off to the next', () => {
    expect(window('2026-01-31', { timeZone: 'Europe/Berlin', cutOff: '18:00' })).toEqual([
      '2026-01-30T17:00:00.000Z',
      '2026-01-31T17:00:00.000Z',
    ]);
  });

  it('is 23 and 25 hours long where clocks are turned', () => {
    expect(window('2026-03-29', { timeZone: 'Europe/Berlin' })).toEqual(['2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z']);
    expect(window('2026-10-25', { timeZone: 'Europe/Berlin' })).toEqual(['2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z']);
  });

  it('leaves no moment out and has none twice', () => {
    for (const timeZone of ['Europe/Berlin', 'America/New_York', 'Pacific/Auckland', 'Australia/Lord_Howe'])
      for (let at = Date.UTC(2026, 0, 1, 1); at < Date.UTC(2027, 0, 1); at += 86_400_000 * 3) {
        const day = dayOf(new Date(at), { timeZone, cutOff: '18:00' });
        const { from, to } = dayWindow(day, { timeZone, cutOff: '18:00' });
        expect(from.getTime() <= at && at < to.getTime()).toBe(true);
        expect(dayOf(to, { timeZone, cutOff: '18:00' })).not.toBe(day);
      }
  });

  it.each(['2026-02-30', '31.01.2026', '2026-1-1', ''])('refuses the day %s', (day) => {
    expect(() => dayWindow(day, {})).toThrow(RangeError);
  });

  it('refuses a cut-off that is no time', () => {
    expect(() => dayWindow('2026-01-31', { cutOff: '25:00' })).toThrow('cutOff must be a time from 00:00 to 24:00, it is "25:00"');
    expect(() => dayWindow('2026-01-31', { timeZone: 'Mars/Base' })).toThrow(RangeError);
  });
});
