/** What an error is kept as: its code, or its name, and never its message, which may quote values. */
export const errorCodeOf = (error: unknown): string | undefined => {
  if (error === undefined) return undefined;
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return [code, name, typeof error].find((text): text is string => typeof text === 'string' && text !== '')?.slice(0, 40);
};
