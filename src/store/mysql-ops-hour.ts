import type { Transaction } from './statements.ts';

/** What happened in one minute, by what came of it. */
export interface MinuteCount {
  /** Beginning of the minute, in milliseconds since the epoch. */
  readonly at: number;
  readonly counts: Readonly<Record<string, number>>;
}

/** The last hour by minutes, oldest first; minutes without anything are not in it. */
export interface HourByMinute {
  readonly minutes: readonly MinuteCount[];
  /** What is before the first minute was not counted (yet). */
  readonly isCut: boolean;
}

/** A table of evidence, with an index that begins with the time. */
export interface HourSource {
  readonly table: string;
  readonly index: string;
  readonly at: string;
  /** What tells the counts apart: a column of the index, or a literal. */
  readonly what: string;
}

const MINUTE_MS = 60_000;
const MINUTES = 60;
/** A row's time is a moment older than its COMMIT: the newest minutes are counted anew each time. */
const UNSETTLED = 2;

type Counts = Record<string, number>;

/**
 * Counts the rows of the last hour by minute. A read goes through twice `atMost` rows of the index at most; minutes that are
 * over are remembered, so that on a busy service a few reads after one another see the whole hour.
 */
export class HourReader {
  readonly #source: HourSource;
  readonly #atMost: number;
  /** Minutes by their number since the epoch; all from `#from` until before `#until` are known, whether they have rows or not. */
  #known = new Map<number, Counts>();
  #from = 0;
  #until = 0;

  constructor(source: HourSource, atMost: number) {
    this.#source = source;
    this.#atMost = atMost;
  }

  /** `now` is the database's. */
  async read(db: Transaction, now: Date): Promise<HourByMinute> {
    const current = Math.floor(now.getTime() / MINUTE_MS);
    const first = current - MINUTES + 1;
    if (this.#until <= first || this.#until > current + 1) this.#forget(current + 1);
    this.#from = Math.max(this.#from, first);
    const newest = await this.#count(db, this.#until > first && this.#until <= current ? this.#until : first, current + 1);
    // More than can be counted at once since the last read: what was known before is not joined to it any more.
    if (newest.isCut || this.#until > current) this.#forget(current + 1);
    const counts = new Map([...this.#known, ...newest.counts]);
    let from = newest.isCut ? newest.from : Math.min(this.#from, newest.from);
    if (from > first) {
      const older = await this.#count(db, first, from);
      for (const [minute, of] of older.counts) counts.set(minute, of);
      from = older.from;
    }
    this.#from = from;
    this.#until = Math.max(from, current + 1 - UNSETTLED);
    this.#known = new Map([...counts].filter(([minute]) => minute >= from && minute < this.#until));
    const minutes = [...counts].filter(([minute]) => minute >= first).sort(([a], [b]) => a - b);
    return { minutes: minutes.map(([minute, of]) => ({ at: minute * MINUTE_MS, counts: of })), isCut: from > first };
  }

  #forget(until: number): void {
    this.#known.clear();
    this.#from = until;
    this.#until = until;
  }

  /** The newest rows of these minutes; whole minutes from `from` on, the one before it only in part, and left out. */
  async #count(
    db: Transaction,
    first: number,
    until: number,
  ): Promise<{ readonly counts: ReadonlyMap<number, Counts>; readonly from: number; readonly isCut: boolean }> {
    const { table, index, at, what } = this.#source;
    const minute = `floor((timestampdiff(microsecond, '1970-01-01', ${at}) div 1000) / ${MINUTE_MS})`;
    const rows = await db.rows(
      `select minute, what, count(*) as n from (
         select ${minute} as minute, ${what} as what from ${table} force index (${index})
         where ${at} >= ? and ${at} < ? order by ${at} desc limit ${this.#atMost}) as newest
       group by minute, what order by minute`,
      [new Date(first * MINUTE_MS), new Date(until * MINUTE_MS)],
    );
    const counts = new Map<number, Counts>();
    for (const row of rows)
      counts.set(Number(row['minute']), { ...counts.get(Number(row['minute'])), [String(row['what'])]: Number(row['n']) });
    const isCut = rows.reduce((sum, row) => sum + Number(row['n']), 0) >= this.#atMost;
    const oldest = counts.keys().next().value;
    if (!isCut || oldest === undefined) return { counts, from: first, isCut: false };
    // A single minute with more rows than that is shown with as many as were counted.
    if (counts.size > 1) counts.delete(oldest);
    return { counts, from: counts.size > 1 || !counts.has(oldest) ? oldest + 1 : oldest, isCut };
  }
}
