import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MikroORM } from '@mikro-orm/mysql';
import { type HourByMinute, HourReader } from '../../src/store/mysql-ops-hour.ts';
import { statementsOn, type Transaction } from '../../src/store/statements.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';
import { insert } from './support/ops-fixture.ts';

const SOURCE = { table: 'external_call_response', index: 'external_call_response_closed', at: 'closed_at', what: 'status' };
const NOON = Date.parse('2026-03-01T12:00:00Z');
const minutesAgo = (count: number, ms = 30_000): Date => new Date(NOON - count * 60_000 + ms);

describe('The last hour by minute', () => {
  let file: TestSqlite;
  let orm: MikroORM;
  let db: Transaction;
  let attempts = 0;
  beforeEach(async () => {
    file = await createSqlite();
    orm = await file.open();
    db = statementsOn(orm.em.getConnection());
  });
  afterEach(() => file.drop());

  const closed = async (at: Date, status = 'SUCCESS', count = 1): Promise<void> => {
    for (let nth = 0; nth < count; nth += 1) {
      const row = { call_id: 1, attempt: (attempts += 1), status, is_truncated: false, connect_ms: 1, total_ms: 1, closed_at: at };
      await insert(orm, 'external_call_response', row);
    }
  };
  const now = (count = 0): Date => new Date(NOON + 45_000 + count * 60_000);
  const shown = ({ minutes }: HourByMinute): (readonly [number, Readonly<Record<string, number>>])[] =>
    minutes.map(({ at, counts }) => [(NOON - at) / 60_000, counts]);

  it('counts what came of each minute, and neither what is older nor what is not yet', async () => {
    await closed(minutesAgo(60));
    await closed(minutesAgo(59), 'FAIL');
    await closed(minutesAgo(3), 'SUCCESS', 2);
    await closed(minutesAgo(3), 'UNKNOWN');
    await closed(minutesAgo(0));
    await closed(minutesAgo(-5));
    const read = await new HourReader(SOURCE, 100).read(db, now());
    expect(shown(read)).toEqual([
      [59, { FAIL: 1 }],
      [3, { SUCCESS: 2, UNKNOWN: 1 }],
      [0, { SUCCESS: 1 }],
    ]);
    expect(read.isCut).toBe(false);
  });

  it('goes further back with each read where there is more than it counts at once', async () => {
    for (let minute = 0; minute < 60; minute += 1) await closed(minutesAgo(minute), 'SUCCESS', 2);
    const hour = new HourReader(SOURCE, 9);
    const seen: number[] = [];
    for (let read = await hour.read(db, now()); ; read = await hour.read(db, now())) {
      expect(read.minutes.every(({ counts }) => counts['SUCCESS'] === 2)).toBe(true);
      seen.push(read.minutes.length);
      if (!read.isCut) break;
    }
    expect(seen[0]).toBe(8);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(60);
  });

  it('sees what comes late into the newest minutes, and lets go of what is older than an hour', async () => {
    const hour = new HourReader(SOURCE, 100);
    await closed(minutesAgo(59));
    await closed(minutesAgo(1));
    expect(shown(await hour.read(db, now()))).toEqual([
      [59, { SUCCESS: 1 }],
      [1, { SUCCESS: 1 }],
    ]);
    await closed(minutesAgo(1), 'FAIL');
    await closed(minutesAgo(0));
    expect(shown(await hour.read(db, now(1)))).toEqual([
      [1, { FAIL: 1, SUCCESS: 1 }],
      [0, { SUCCESS: 1 }],
    ]);
    expect(shown(await hour.read(db, now(61)))).toEqual([]);
  });

  it('begins anew after a burst that it could not count, and after a clock that went back', async () => {
    const hour = new HourReader(SOURCE, 6);
    await closed(minutesAgo(10));
    expect((await hour.read(db, now())).isCut).toBe(false);
    await closed(minutesAgo(-1), 'SUCCESS', 4);
    await closed(minutesAgo(-2), 'SUCCESS', 4);
    const after = await hour.read(db, now(2));
    expect(shown(after)).toEqual([
      [10, { SUCCESS: 1 }],
      [-1, { SUCCESS: 4 }],
      [-2, { SUCCESS: 4 }],
    ]);
    expect(shown(await hour.read(db, now(-5)))).toEqual([[10, { SUCCESS: 1 }]]);
  });

  it('says of a minute that is more than it counts at once what it has counted', async () => {
    await closed(minutesAgo(0), 'SUCCESS', 20);
    await closed(minutesAgo(4));
    const read = await new HourReader(SOURCE, 5).read(db, now());
    expect(shown(read)).toEqual([
      [4, { SUCCESS: 1 }],
      [0, { SUCCESS: 5 }],
    ]);
  });
});
