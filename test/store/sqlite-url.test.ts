import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { isSqliteUrl, sqlitePath } from '../../src/store/sqlite-url.ts';

describe('SQLite url', () => {
  it('names an absolute path with three slashes, and one from the working directory with none', () => {
    expect(sqlitePath('sqlite:///var/lib/with%20space.db')).toBe('/var/lib/with space.db');
    expect(sqlitePath('sqlite:data/a.db')).toBe(join(process.cwd(), 'data/a.db'));
    expect(isSqliteUrl('SQLite:a.db')).toBe(true);
    expect(isSqliteUrl('mysql://u@h/sqlite:a')).toBe(false);
  });

  it.each(['sqlite:', 'sqlite://a.db', 'sqlite::memory:', 'sqlite:///folder/', 'sqlite:///a.db?mode=ro', 'sqlite:%E0%A4%A.db'])(
    'refuses %s',
    (url) => {
      expect(() => sqlitePath(url)).toThrow(ConfigurationError);
      expect(() => sqlitePath(url)).toThrow(/must look like sqlite:\/\/\/absolute\/path\.db/);
    },
  );
});
