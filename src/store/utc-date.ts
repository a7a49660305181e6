/** A moment as the driver gives it: a string in UTC, a date where it was told to, milliseconds on SQLite. */
export const utcDate = (value: unknown): Date =>
  value instanceof Date ? value : typeof value === 'number' ? new Date(value) : new Date(`${String(value).replace(' ', 'T')}Z`);

/** UTC, as the database's own utc_timestamp(3) writes it. */
export const utcText = (at: Date): string => at.toISOString().slice(0, 23).replace('T', ' ');
