/** What a driver gives for a column that may be null. */
export const textOf = (value: unknown): string | undefined => (value as string | null | undefined) ?? undefined;
export const numberOf = (value: unknown): number | undefined => (value === null || value === undefined ? undefined : Number(value));
