/** SQLite's result codes, as better-sqlite3 names them, through whatever an ORM has wrapped them in. */
function codeOf(error: unknown): string {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if ('code' in cause && typeof cause.code === 'string' && cause.code.startsWith('SQLITE_')) return cause.code;
  }
  return '';
}

/** Somebody else writes, or recovers the file after a crash: the statement did nothing and may be run again. */
export const isLocked = (error: unknown): boolean => /^SQLITE_(?:BUSY|LOCKED)/.test(codeOf(error));

export const isTaken = (error: unknown): boolean => /^SQLITE_CONSTRAINT_(?:UNIQUE|PRIMARYKEY|ROWID)$/.test(codeOf(error));
