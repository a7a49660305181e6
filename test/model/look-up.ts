import type { Resolution } from '../../src/broker/transactional-producer.ts';
import type { Protocol } from './protocol.ts';
import { attemptAt, withAttempt, type World } from './world.ts';

/**
 * How a look-up finds its answer. The first four are the built-in ones; the fifth would do for the first two at once,
 * whatever the half mode; the rest are here to be caught.
 */
export type LookUpRule =
  | 'lockThenRow'
  | 'rowNowait'
  | 'markerWriteOnce'
  | 'markerAbsentIsRollback'
  | 'lockThenRowNowait'
  | 'rowPlain'
  | 'rowForShare'
  | 'rowThenLock'
  | 'lockThenReplica'
  | 'markerFirstRead';

/** Usually the producer's own; another one while two versions of a service run side by side. */
export function ruleOfCheckers({ lookUp, lookUpOfCheckers }: Protocol): LookUpRule {
  return lookUpOfCheckers ?? lookUp;
}

/** How far a look-up has come; what it has seen so far is part of the name. */
export type LookUpPoint = 'start' | 'lockWasFree' | 'rowWasAbsent' | 'markerWasAbsent' | 'zeroWritten';

interface LookUpStep {
  readonly label: string;
  readonly world: World;
  /** Where it goes on, or its answer. */
  readonly leadsTo: LookUpPoint | Resolution;
}

/**
 * The statements a look-up may execute next, each at once on the server. No step means that it waits for a row lock.
 * An error is left out: it answers UNKNOWN, which is no more than a check that was never made.
 */
export function lookUpSteps(protocol: Protocol, rule: LookUpRule, world: World, index: number, point: LookUpPoint): LookUpStep[] {
  const { session, marker } = attemptAt(world, index);
  const isRowThere = world.orderRow !== null && (!protocol.matchesTransactionId || world.orderRow === index);
  const isRowLocked = protocol.matchesTransactionId
    ? session.hasUncommittedRow
    : world.attempts.some((attempt) => attempt.session.hasUncommittedRow);
  const then = (label: string, next: LookUpStep['leadsTo'], after = world): LookUpStep[] => [{ label, world: after, leadsTo: next }];
  const read = (how: string): LookUpStep[] =>
    then(`reads the row${how}: ${isRowThere ? 'there' : 'absent'}`, isRowThere ? 'COMMIT' : 'ROLLBACK');
  const readNowait = (): LookUpStep[] =>
    isRowLocked ? then('reads the row FOR SHARE NOWAIT: locked', 'UNKNOWN') : read(' FOR SHARE NOWAIT');
  const askLock = (free: LookUpStep['leadsTo']): LookUpStep[] =>
    session.holdsLock ? then('asks for the lock: busy', 'UNKNOWN') : then('asks for the lock: free', free);

  switch (rule) {
    case 'lockThenRow':
      return point === 'start' ? askLock('lockWasFree') : read('');
    case 'lockThenRowNowait':
      return point === 'start' ? askLock('lockWasFree') : readNowait();
    case 'lockThenReplica':
      if (point === 'start') return askLock('lockWasFree');
      return [...read(' on a replica'), ...then('reads the row on a replica that lags: absent', 'ROLLBACK')];
    case 'rowThenLock':
      if (point === 'rowWasAbsent') return askLock('ROLLBACK');
      return isRowThere ? read('') : then('reads the row: absent', 'rowWasAbsent');
    case 'rowNowait':
      return readNowait();
    case 'rowPlain':
      return read('');
    case 'rowForShare':
      return isRowLocked ? [] : read(' FOR SHARE');
    case 'markerWriteOnce':
    case 'markerAbsentIsRollback':
    case 'markerFirstRead':
      break;
  }

  const again = point === 'zeroWritten' ? ' again' : '';
  if (point === 'markerWasAbsent') {
    // The insert waits while another transaction's marker is undecided.
    if (session.hasUncommittedMarker) return [];
    const after = marker === null ? withAttempt(world, index, { marker: 0 }) : world;
    const label = `inserts marker 0${marker === null ? '' : ': duplicate key'}`;
    return then(label, rule === 'markerFirstRead' ? 'ROLLBACK' : 'zeroWritten', after);
  }
  if (session.hasUncommittedMarker) return then(`reads the marker${again}: locked`, 'UNKNOWN');
  if (marker !== null) return then(`reads the marker${again}: ${marker}`, marker === 1 ? 'COMMIT' : 'ROLLBACK');
  if (point === 'zeroWritten') return then('reads the marker again: absent', 'UNKNOWN');
  return then('reads the marker: absent', rule === 'markerAbsentIsRollback' ? 'ROLLBACK' : 'markerWasAbsent');
}

/** Every answer that a check started now can come to while nothing else moves; one that waits for ever is UNKNOWN. */
export function answersNow(protocol: Protocol, world: World, index: number, point: LookUpPoint = 'start'): ReadonlySet<Resolution> {
  const steps = lookUpSteps(protocol, ruleOfCheckers(protocol), world, index, point);
  if (steps.length === 0) return new Set(['UNKNOWN']);
  return new Set(
    steps.flatMap(({ world: after, leadsTo }) => (isAnswer(leadsTo) ? [leadsTo] : [...answersNow(protocol, after, index, leadsTo)])),
  );
}

export function isAnswer(leadsTo: LookUpPoint | Resolution): leadsTo is Resolution {
  return leadsTo === 'COMMIT' || leadsTo === 'ROLLBACK' || leadsTo === 'UNKNOWN';
}
