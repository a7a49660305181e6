import { CaptureStoppedError } from '../errors.ts';
import { messageOf } from '../shared/error-message.ts';
import { DENIED, WHAT_TO_DO } from './mysql-binlog-server.ts';
import { errnoOf } from './mysql-error.ts';

/** ER_MASTER_FATAL_ERROR_READING_BINLOG: purged, too old, not in the binlog, impossible. */
const NOT_THERE = 1236;

/** What a failure means: a stop for what would fail again, itself for what may pass. */
export const explained = (error: unknown): unknown => {
  if (error instanceof CaptureStoppedError) return error;
  const errno = errnoOf(error) ?? 0;
  if (errno === NOT_THERE)
    return new CaptureStoppedError(`the server does not have the place to read on from: ${messageOf(error)}. ${WHAT_TO_DO}`, {
      reason: 'position-lost',
      cause: error,
    });
  if (DENIED.includes(errno))
    return new CaptureStoppedError(`the account may not read the database's log: ${messageOf(error)}`, {
      reason: 'not-permitted',
      cause: error,
    });
  if (isPassing(error, errno)) return error;
  return new CaptureStoppedError(`the database's log cannot be read: ${messageOf(error)}`, { reason: 'unreadable', cause: error });
};

/** Of the connection or the server's health, not of what the binlog holds. */
const isPassing = (error: unknown, errno: number): boolean => {
  if (errno !== 0) return true;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (typeof code === 'string' && (/^E[A-Z]+$/.test(code) || code.startsWith('PROTOCOL_') || code.startsWith('ERR_STREAM'))) return true;
  return error instanceof ConnectionGone || /control connection|closed state/i.test(messageOf(error));
};

/** The server ended the binlog, or has gone silent. */
export class ConnectionGone extends Error {}

/** What mysql2 gives, as far as it is needed. */
interface DumpConnection {
  query(sql: string, done: (error: Error | null) => void): unknown;
  once(event: 'end', listener: () => void): unknown;
}

/**
 * The library is silent when the server ends the binlog in good order, as it does at its shutdown or when its thread is
 * killed: a statement behind the binlog's in the queue is answered then, and only then.
 */
export const endOfDump = (connection: DumpConnection, fail: (error: unknown) => void): void => {
  connection.once('end', () => fail(new ConnectionGone('the connection that carries the binlog was closed')));
  connection.query('do 0', (error) => fail(error ?? new ConnectionGone('the server has ended the binlog')));
};

/** Neither event nor heartbeat: a connection that nobody told us is dead. Not while we make the server wait ourselves. */
export const watchSilence = (
  bytesRead: () => number,
  patienceMs: number,
  isPaused: () => boolean,
  fail: (error: unknown) => void,
): { stop(): void } => {
  let last = bytesRead();
  const timer = setInterval(() => {
    const now = bytesRead();
    if (now === last && !isPaused()) fail(new ConnectionGone(`the server has said nothing for ${patienceMs} ms, not even a heartbeat`));
    last = now;
  }, patienceMs);
  return { stop: () => clearInterval(timer) };
};
