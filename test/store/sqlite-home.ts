import { createSqlite } from '../support/sqlite.ts';
import type { OpenHome } from './store-home.ts';

/** A file of its own. */
export const sqliteHome: OpenHome = async () => {
  const { url, open, drop } = await createSqlite();
  return {
    name: 'SQLite',
    url,
    orm: await open(),
    numbered: 'integer primary key',
    another: open,
    stored: (at) => at.getTime(),
    close: drop,
  };
};
