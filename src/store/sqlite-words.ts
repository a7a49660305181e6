/** Milliseconds since the epoch, which is how dates are kept on SQLite: as MikroORM's driver writes them. */
const NOW = `cast(round(unixepoch('subsec') * 1000) as integer)`;
const UNIT_MS: Readonly<Record<string, number>> = { microsecond: 0.001, second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Whole phrases of the engine's statements, those with a literal in them. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\btimestampdiff\(microsecond, '1970-01-01', (\w+)\) div 1000\b/g, '$1'],
  // Text would come back as text, not as bytes.
  [/\bbody = ''/g, "body = x''"],
];

/** Words outside literals. */
const WORDS: readonly (readonly [RegExp, string | ((found: string, first: string, second: string) => string)])[] = [
  [/\btimestampdiff\(microsecond, ([\w.]+(?:\(3\))?), ([\w.]+(?:\(3\))?)\)/g, '(($2 - $1) * 1000)'],
  [/\bunix_timestamp\(now\(3\)\) \* 1000\b/g, NOW],
  [/\binterval (\?|\d+) (microsecond|second|minute|hour|day)\b/g, (_, n, unit) => `cast(round(${n} * ${UNIT_MS[unit]}) as integer)`],
  [/\butc_timestamp\(3\)/g, NOW],
  [/\bfrom dual\b/g, ''],
  // Writing transactions begin IMMEDIATE: there is one at a time, so nothing is left to lock or to skip.
  [/\bfor update(?: skip locked)?\b|\block in share mode\b/g, ''],
  [/\bforce index \(\w+\)/g, ''],
  [/\binsert ignore into\b/g, 'insert or ignore into'],
  [/\bon duplicate key update (?:id = last_insert_id\(id\), )?/g, 'on conflict do update set '],
  [/\bvalues\((\w+)\)/g, 'excluded.$1'],
  [/<=>/g, 'is'],
  [/\bin \((\(\?(?:, \?)+\)(?:, \(\?(?:, \?)+\))*)\)/g, 'in (values $1)'],
  [/\bjson_contains\((\w+), json_quote\(\?\)\)/g, 'exists (select 1 from json_each($1) where value = ?)'],
];

const LITERAL = /('(?:[^']|'')*')/;
const MAX_KNOWN = 1_000;
const known = new Map<string, string>();

/**
 * A statement written for MySQL, in SQLite's words. The stores have one text each, MySQL's; this knows the few phrases of
 * it that SQLite spells otherwise and leaves everything else as it is, literals among them. Dates become numbers, so the
 * result of a `timestampdiff` in microseconds is the difference times a thousand. `sql` has its marks still in it, no
 * values; a phrase that is missing here is a syntax error of SQLite's, which the store contract finds.
 */
export function toSqlite(sql: string): string {
  let translated = known.get(sql);
  if (translated === undefined) {
    const phrased = PHRASES.reduce((text, [from, to]) => text.replace(from, to), sql);
    translated = phrased
      .split(LITERAL)
      .map((part, index) => (index % 2 === 1 ? part : WORDS.reduce((text, [from, to]) => text.replace(from, to as string), part)))
      .join('');
    if (known.size < MAX_KNOWN) known.set(sql, translated);
  }
  return translated;
}
