import type { LookUpRule } from './look-up.ts';

type HalfMode = 'first' | 'overlapped' | 'beforeCommit';

/** Every choice by which a safe protocol and an unsafe one differ. */
export interface Protocol {
  readonly half: HalfMode;
  /** Whether and when `GET_LOCK` runs, on the connection that will run the transaction. */
  readonly lock: 'none' | 'beforeHalf' | 'afterHalf';
  readonly isLockReleased: boolean;
  readonly writesMarker: boolean;
  readonly onDuplicateMarker: 'abort' | 'ignore';
  /** How the producer in doubt finds out, and every check-back. */
  readonly lookUp: LookUpRule;
  /** How check-backs find out when they are answered by another version of the service; null: there is none. */
  readonly lookUpOfCheckers: LookUpRule | null;
  /** Whether the look-up asks for the row of *this* transaction id or only for the business key. */
  readonly matchesTransactionId: boolean;
  readonly onInDoubt: 'lookUp' | 'assumeRollback' | 'assumeCommit' | 'retry';
  readonly onCommitRefused: 'reject' | 'retryUnderSameHalf';
  readonly onConnectionLost: 'reject' | 'reconnectSilently';
  readonly endCommit: 'whenCommitted' | 'whenCommitIsSent';
  /** What another service answers that shares the topic. UNKNOWN is no word, so it is no step either. */
  readonly foreignOwner: 'UNKNOWN' | 'ROLLBACK';
  /** Whether the row that a look-up reads is written at all, and when it or the marker disappears. */
  readonly evidence: 'kept' | 'neverWritten' | 'removedAnyTime' | 'removedOnceBrokerIsDone' | 'removedOnceBothAreDone';
  /** In which order the server ends a dead session. MySQL and MariaDB roll back first. */
  readonly closing: 'rollbackFirst' | 'locksFirst';
  /** Half messages under one decision. */
  readonly messages: 1 | 2;
  /** 2: the caller publishes again under a new transaction id when the first attempt did not resolve. */
  readonly attempts: 1 | 2;
  /** Check-backs that may start on any path, up to two of them at once. A last one is always asked at rest. */
  readonly checks: number;
}

const COMMON = {
  isLockReleased: true,
  writesMarker: false,
  onDuplicateMarker: 'abort',
  lookUpOfCheckers: null,
  matchesTransactionId: true,
  onInDoubt: 'lookUp',
  onCommitRefused: 'reject',
  onConnectionLost: 'reject',
  endCommit: 'whenCommitted',
  foreignOwner: 'UNKNOWN',
  evidence: 'kept',
  closing: 'rollbackFirst',
  messages: 1,
  attempts: 1,
  checks: 3,
} as const;

/** design.md §3: a fence follows from the look-up and from when the half leaves. */
export function sessionLock(half: 'first' | 'overlapped'): Protocol {
  return { ...COMMON, half, lock: 'beforeHalf', lookUp: 'lockThenRow' };
}

export function rowFence(): Protocol {
  return { ...COMMON, half: 'beforeCommit', lock: 'none', lookUp: 'rowNowait' };
}

export function marker(half: HalfMode): Protocol {
  const lookUp = half === 'beforeCommit' ? 'markerAbsentIsRollback' : 'markerWriteOnce';
  return { ...COMMON, half, lock: 'none', writesMarker: true, lookUp };
}

/** No fence at all: what unsafe variants start from. */
export function unfenced(half: HalfMode, lookUp: LookUpRule): Protocol {
  return { ...COMMON, half, lock: 'none', lookUp };
}

/** All strict fences in each half mode they are allowed in. */
export const STRICT: Readonly<Record<string, Protocol>> = {
  'session lock, first': sessionLock('first'),
  'session lock, overlapped': sessionLock('overlapped'),
  'row fence, beforeCommit': rowFence(),
  'marker, first': marker('first'),
  'marker, overlapped': marker('overlapped'),
  'marker, beforeCommit': marker('beforeCommit'),
};
