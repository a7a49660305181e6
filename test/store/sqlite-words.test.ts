import { describe, expect, it } from 'vitest';
import { toSqlite } from '../../src/store/sqlite-words.ts';

const NOW = "cast(round(unixepoch('subsec') * 1000) as integer)";

describe('SQLite words', () => {
  it.each([
    ['set a = utc_timestamp(3)', `set a = ${NOW}`],
    ['a > utc_timestamp(3) - interval ? second', `a > ${NOW} - cast(round(? * 1000) as integer)`],
    ['utc_timestamp(3) + interval ? microsecond', `${NOW} + cast(round(? * 0.001) as integer)`],
    ['x - interval 1 day', 'x - cast(round(1 * 86400000) as integer)'],
    ['timestampdiff(microsecond, utc_timestamp(3), s.lease_until) / 1000', `((s.lease_until - ${NOW}) * 1000) / 1000`],
    ["timestampdiff(microsecond, '1970-01-01', born_at) div 1000 as ms", 'born_at as ms'],
    ['select id from t where a = ? for update skip locked', 'select id from t where a = ? '],
    ['select id from t where a = ? lock in share mode', 'select id from t where a = ? '],
    ['insert ignore into t (a) values (?)', 'insert or ignore into t (a) values (?)'],
    ['on duplicate key update id = last_insert_id(id), a = a + 1, b = values(b)', 'on conflict do update set a = a + 1, b = excluded.b'],
    ['(a, b) in ((?, ?), (?, ?))', '(a, b) in (values (?, ?), (?, ?))'],
    ['a in (?, ?)', 'a in (?, ?)'],
    ['lease_owner <=> ?', 'lease_owner is ?'],
    ['json_contains(message_keys, json_quote(?))', 'exists (select 1 from json_each(message_keys) where value = ?)'],
    ["set body = ''", "set body = x''"],
    ['from t force index (t_due) where', 'from t  where'],
  ])('say %s', (mysql, sqlite) => {
    expect(toSqlite(mysql)).toBe(sqlite);
  });

  it('leave literals and everything they do not know as they are', () => {
    const sql = "update `t` set note = 'wait for update, it''s utc_timestamp(3)', a = coalesce(?, a) where b = 'x'";
    expect(toSqlite(sql)).toBe(sql);
  });
});
