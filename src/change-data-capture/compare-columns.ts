import type { LoggedColumn } from './row-change.ts';

/** A column that a row message reads. */
export interface ExpectedColumn {
  readonly name: string;
  /** As the entity declares it: `varchar(64)`. */
  readonly type: string;
}

type Family = 'integer' | 'decimal' | 'float' | 'text' | 'binary' | 'datetime' | 'date' | 'time';

/** Types whose values read alike: a change within a family needs no other code. */
const FAMILIES: Readonly<Record<Family, readonly string[]>> = {
  integer: ['tinyint', 'smallint', 'mediumint', 'int', 'integer', 'bigint', 'year', 'bool', 'boolean'],
  decimal: ['decimal', 'numeric'],
  float: ['float', 'double', 'real'],
  // MariaDB keeps JSON as text.
  text: ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'enum', 'set', 'json', 'uuid', 'inet4', 'inet6'],
  binary: ['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob', 'bit'],
  datetime: ['datetime', 'timestamp'],
  date: ['date'],
  time: ['time'],
};

const FAMILY_OF = new Map(Object.entries(FAMILIES).flatMap(([family, types]) => types.map((type) => [type, family as Family] as const)));

/** `varchar(64)` is text. `undefined` for what is not known here. */
export const familyOf = (type: string): string | undefined => FAMILY_OF.get(/^[a-z\d]+/.exec(type.toLowerCase())?.[0] ?? '');

/**
 * What keeps rows with these columns from being read as the entity says: a column that is missing (dropped, renamed, or
 * not there yet) or of another family. Empty when they fit: columns the entity does not know, wherever they are, another
 * order, and other lengths are no matter.
 */
export const misfits = (expected: readonly ExpectedColumn[], logged: readonly LoggedColumn[]): readonly string[] => {
  const byName = new Map(logged.map((column) => [column.name.toLowerCase(), column]));
  return expected.flatMap(({ name, type }) => {
    const column = byName.get(name.toLowerCase());
    if (column === undefined) return [`there is no column ${name}`];
    const [wanted, found] = [familyOf(type), familyOf(column.type)];
    return wanted === undefined || found === wanted ? [] : [`column ${name} is ${column.type}, not ${type}`];
  });
};
