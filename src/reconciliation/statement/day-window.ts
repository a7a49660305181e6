/** A statement's day, in the time of the institution. */
export interface WindowRule {
  /** IANA name, such as `Europe/Berlin`. Default `UTC`. */
  readonly timeZone?: string;
  /** `HH:MM` at which the day ends, `24:00` being midnight; what comes later belongs to the next day. Default `24:00`. */
  readonly cutOff?: string;
}

/** From, inclusive, to, exclusive. */
export interface DayWindow {
  /** `YYYY-MM-DD` */
  readonly day: string;
  readonly from: Date;
  readonly to: Date;
}

const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/;
const DAY_MS = 86_400_000;

/**
 * The window of a day: from one cut-off to the next, by the wall clock of the time zone, so 23 or 25 hours long where
 * clocks are turned. A cut-off that a turned clock skips is that much later. Throws `RangeError` for bad texts.
 */
export const dayWindow = (day: string, { timeZone = 'UTC', cutOff = '24:00' }: WindowRule): DayWindow => {
  const match = DAY.exec(day);
  const midnight = match === null ? Number.NaN : Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]));
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day)
    throw new RangeError(`day must be a date such as 2026-01-31, it is ${JSON.stringify(day)}`);
  const time = TIME.exec(cutOff);
  if (time === null) throw new RangeError(`cutOff must be a time from 00:00 to 24:00, it is ${JSON.stringify(cutOff)}`);
  const end = midnight + (time[1] === undefined ? DAY_MS : Number(time[1]) * 3_600_000 + Number(time[2]) * 60_000);
  return Object.freeze({ day, from: instantOf(end - DAY_MS, timeZone), to: instantOf(end, timeZone) });
};

/** The moment at which the wall clock shows this, the clock's reading being given as if it were UTC. */
function instantOf(wallMs: number, timeZone: string): Date {
  let at = wallMs;
  // The offset is that of the moment looked for, which is near after the first step and met after the second.
  for (let step = 0; step < 3; step += 1) at = wallMs - offsetAt(at, timeZone);
  return new Date(at);
}

const FIELDS = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' } as const;
const clocks = new Map<string, Intl.DateTimeFormat>();

function offsetAt(at: number, timeZone: string): number {
  let clock = clocks.get(timeZone);
  if (clock === undefined) clocks.set(timeZone, (clock = new Intl.DateTimeFormat('en', { timeZone, hourCycle: 'h23', ...FIELDS })));
  const parts = clock.formatToParts(at);
  const of = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')) - Math.floor(at / 1_000) * 1_000;
}

/** The day whose window a moment is in. */
export const dayOf = (at: Date, rule: WindowRule): string => {
  // A window ends at most a day after midnight and begins at most a day before: three days are enough to look at.
  for (const days of [0, 1, -1]) {
    const day = new Date(at.getTime() + days * DAY_MS).toISOString().slice(0, 10);
    const { from, to } = dayWindow(day, rule);
    if (at >= from && at < to) return day;
  }
  throw new RangeError(`no day of ${rule.timeZone ?? 'UTC'} has ${at.toISOString()}`);
};
