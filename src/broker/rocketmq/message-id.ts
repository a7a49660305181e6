import { randomUUID } from 'node:crypto';

/**
 * A message id nobody else makes. The client's own is MAC, process id, second and a counter from 0: two containers with
 * Docker's default MAC and pid 1 make equal ones, and the proxy finds the half an END is for by this id alone. Version
 * byte and length as the protocol's, the rest random.
 */
export function uniqueMessageId(): string {
  return `01${randomUUID().replaceAll('-', '').toUpperCase()}`;
}
