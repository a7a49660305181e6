/** The text of anything that can be thrown. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  // Connection failures to several addresses arrive as an AggregateError without a message.
  return thrown.message || ((thrown as NodeJS.ErrnoException).code ?? thrown.name);
}
