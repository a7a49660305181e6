/** A moment as the driver gives it: a string in UTC, or a date where it was told to. */
export const utcDate = (value: unknown): Date => (value instanceof Date ? value : new Date(`${String(value).replace(' ', 'T')}Z`));
