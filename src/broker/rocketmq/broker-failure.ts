import { ClientException } from './client-package.ts';

/**
 * Whether the broker, or the client before it, understood and refused: the same request is refused again, and nothing
 * was stored. Everything else (transport status, 408, 429, 5xx) may be tried again, and on a send leaves open whether
 * the message exists. Read from the code: the client maps every code it does not know, an empty body's 41302 among
 * them, to one class that says "unsupported".
 */
export function isRefusal(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  if (!(error instanceof ClientException)) return false;
  const status = Math.floor(error.code / 100);
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** One line for people: what came back, with its code, without the client's empty request id. */
export function describeFailure(error: unknown): string {
  if (error instanceof ClientException) return `${error.code} ${error.message.replace(/^\[request-id=[^\]]*\] /, '')}`;
  return error instanceof Error ? error.message : String(error);
}
