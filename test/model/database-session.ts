import type { Step } from './explore.ts';
import type { Protocol } from './protocol.ts';
import { attemptAt, nameOf, withAttempt, type World } from './world.ts';

export type Command = 'GET_LOCK' | 'INSERT row' | 'INSERT marker 1' | 'COMMIT' | 'ROLLBACK' | 'RELEASE_LOCK';

/**
 * The producer's database session, seen from both ends of its wire. BEGIN is left out: nothing another session does can
 * tell whether it ran. A server crash is left out too: it is every session lost and closed at once, and each alone is in.
 */
export interface Session {
  /** `gone`: process dead or connection lost. The server does not know yet, and works on. */
  readonly client: 'connected' | 'gone';
  /** Sent and not yet executed; a client waits for each reply, so there is never a second. */
  readonly wire: Command | null;
  readonly reply: 'ok' | 'duplicate' | 'refused' | null;
  readonly hasUncommittedRow: boolean;
  readonly hasUncommittedMarker: boolean;
  readonly holdsLock: boolean;
  readonly server: 'open' | 'closing' | 'closed';
}

export const NEW_SESSION: Session = {
  client: 'connected',
  wire: null,
  reply: null,
  hasUncommittedRow: false,
  hasUncommittedMarker: false,
  holdsLock: false,
  server: 'open',
};

/** A command leaves; on a connection that is gone it leads nowhere. */
export function send(session: Session, command: Command): Session {
  return session.client === 'gone' ? session : { ...session, wire: command, reply: null };
}

/** The client's end is gone. A session that holds nothing is as good as closed: whether the server knows makes no difference. */
export function cut(session: Session): Session {
  const holdsNothing = session.wire === null && !session.hasUncommittedRow && !session.hasUncommittedMarker && !session.holdsLock;
  return { ...session, client: 'gone', reply: null, server: holdsNothing ? 'closed' : session.server };
}

/** Nothing is left to happen on it: closed, or back in its pool. */
export function isSessionAtRest({ client, wire, server, hasUncommittedRow, hasUncommittedMarker }: Session): boolean {
  return server === 'closed' || (client === 'connected' && wire === null && !hasUncommittedRow && !hasUncommittedMarker);
}

/**
 * What the server may do with a session: execute the waiting command, also when its client has died since; notice the
 * death, roll back and give the user-level locks back, which are two moments with room for a check in between.
 */
export function databaseSteps(protocol: Protocol, world: World, index: number): Step<World>[] {
  const { session } = attemptAt(world, index);
  const name = nameOf(world, index);
  const steps: Step<World>[] = [];
  const close = (label: string, change: Partial<Session>): void => {
    steps.push({ label: `database: ${label}`, to: withAttempt(world, index, { session: { ...session, ...change } }) });
  };
  const rolledBack = { wire: null, hasUncommittedRow: false, hasUncommittedMarker: false };
  const isRollbackFirst = protocol.closing === 'rollbackFirst';
  if (session.server === 'open' && session.wire !== null) steps.push(...execute(protocol, world, index, session.wire));
  if (session.server === 'open' && session.client === 'gone') {
    const isAnythingOpen = session.wire !== null || session.hasUncommittedRow || session.hasUncommittedMarker;
    const noticed = `notices that session${name} is dead`;
    if (session.holdsLock && !isRollbackFirst) close(`${noticed}, releases its lock`, { wire: null, holdsLock: false, server: 'closing' });
    else close(`${noticed}${isAnythingOpen ? ', rolls back' : ''}`, { ...rolledBack, server: session.holdsLock ? 'closing' : 'closed' });
  }
  if (session.server === 'closing') {
    const last = isRollbackFirst ? `releases the lock of session${name}` : `rolls session${name} back`;
    close(last, { ...rolledBack, holdsLock: false, server: 'closed' });
  }
  return steps;
}

function execute(protocol: Protocol, world: World, index: number, command: Command): Step<World>[] {
  const { session, marker } = attemptAt(world, index);
  const who = `database: ${session.client === 'gone' ? 'still ' : ''}executes ${command}${nameOf(world, index)}`;
  const answered = (reply: Session['reply'], change: Partial<Session> = {}): Session => ({
    ...session,
    ...change,
    wire: null,
    reply: session.client === 'gone' ? null : reply,
  });
  const step = (note: string, after: Session, base = world): Step<World> => ({
    label: `${who}${note}`,
    to: withAttempt(base, index, { session: after }),
  });
  const nothingOpen = { hasUncommittedRow: false, hasUncommittedMarker: false };

  switch (command) {
    case 'GET_LOCK':
      return [step('', answered('ok', { holdsLock: true }))];
    case 'RELEASE_LOCK':
      return [step('', answered('ok', { holdsLock: false }))];
    case 'ROLLBACK':
      return [step('', answered('ok', nothingOpen))];
    case 'INSERT row':
      // The business key is unique: an insert waits for another's uncommitted row of that key.
      if (world.attempts.some((other, at) => at !== index && other.session.hasUncommittedRow)) return [];
      if (world.orderRow !== null) return [step(': duplicate key', answered('duplicate'))];
      return [step('', answered('ok', { hasUncommittedRow: true }))];
    case 'INSERT marker 1':
      if (marker !== null) return [step(': duplicate key', answered('duplicate'))];
      return [step('', answered('ok', { hasUncommittedMarker: true }))];
    case 'COMMIT': {
      const isRowWritten = session.hasUncommittedRow && protocol.evidence !== 'neverWritten';
      const committed = withAttempt(world, index, {
        committed: attemptAt(world, index).committed || session.hasUncommittedRow,
        marker: session.hasUncommittedMarker ? 1 : marker,
      });
      return [
        step('', answered('ok', nothingOpen), isRowWritten ? { ...committed, orderRow: index } : committed),
        // A definite no: read-only, disk full, certification failure.
        step(': refused, rolled back', answered('refused', nothingOpen)),
      ];
    }
  }
}
