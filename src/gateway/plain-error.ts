/** Name, code and message only: undici's and TLS's errors carry response bytes and certificates along. */
export function plainError(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  const plain: NodeJS.ErrnoException = new Error(
    error.message || (error instanceof AggregateError ? error.errors.map((inner: Error) => inner.message).join('; ') : 'no message'),
  );
  plain.name = error.name;
  if (typeof code === 'string') plain.code = code;
  return plain;
}
