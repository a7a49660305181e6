import type { Invariant } from './invariants.ts';
import { marker, rowFence, sessionLock, unfenced, type Protocol } from './protocol.ts';

/** A protocol that somebody might well write, and the invariants it breaks; the first is the one whose story is told. */
interface UnsafeVariant {
  readonly protocol: Protocol;
  readonly breaks: readonly [Invariant, ...Invariant[]];
}

const LOST = 'I2 no lost message';
const LAST_CHECK = 'I2 a last check answers, and truly';
const GHOST = 'I1 no ghost';
const TOO_EARLY = 'I1 delivered only after its commit';
const FALSE_RESOLVE = 'I8 resolved means committed';
const FALSE_REJECT = 'I8 rejected as rolled back means never committed';
const CHANGED = 'same answer for ever';

/** The unsafe variants of faults.md that concern publishing. */
export const UNSAFE: Readonly<Record<string, UnsafeVariant>> = {
  'plain SELECT checker, half first': { protocol: unfenced('first', 'rowPlain'), breaks: [LOST, FALSE_REJECT, CHANGED] },
  'plain SELECT checker, overlapped': { protocol: unfenced('overlapped', 'rowPlain'), breaks: [LOST, FALSE_REJECT, CHANGED] },
  'plain SELECT checker, beforeCommit': { protocol: unfenced('beforeCommit', 'rowPlain'), breaks: [LOST, FALSE_REJECT, CHANGED] },
  'FOR SHARE checker, half first': { protocol: unfenced('first', 'rowForShare'), breaks: [LOST, CHANGED] },
  'FOR SHARE checker, overlapped': { protocol: unfenced('overlapped', 'rowForShare'), breaks: [LOST, CHANGED] },
  'FOR SHARE NOWAIT checker, half first': { protocol: unfenced('first', 'rowNowait'), breaks: [LOST, CHANGED] },
  'lock taken after the half': { protocol: { ...sessionLock('first'), lock: 'afterHalf' }, breaks: [LOST, CHANGED] },
  'duplicate marker ignored': {
    protocol: { ...marker('first'), onDuplicateMarker: 'ignore' },
    breaks: [LOST, LAST_CHECK, FALSE_REJECT, CHANGED],
  },
  'marker answer from the first read': { protocol: { ...marker('first'), lookUp: 'markerFirstRead' }, breaks: [LOST, CHANGED] },
  'marker purged early': {
    protocol: { ...marker('first'), evidence: 'removedAnyTime' },
    breaks: [LOST, LAST_CHECK, FALSE_REJECT, CHANGED],
  },
  'in-doubt COMMIT taken as rollback': {
    protocol: { ...sessionLock('first'), onInDoubt: 'assumeRollback' },
    breaks: [LOST, FALSE_REJECT, CHANGED],
  },
  'in-doubt COMMIT taken as commit': {
    protocol: { ...sessionLock('first'), onInDoubt: 'assumeCommit' },
    breaks: [GHOST, TOO_EARLY, FALSE_RESOLVE, CHANGED],
  },
  'foreign owner answered ROLLBACK': { protocol: { ...sessionLock('first'), foreignOwner: 'ROLLBACK' }, breaks: [LOST, CHANGED] },
  'look-up by business key without transaction id': {
    protocol: { ...rowFence(), matchesTransactionId: false, attempts: 2, checks: 1 },
    breaks: [GHOST, TOO_EARLY, LAST_CHECK, CHANGED],
  },
  'END(COMMIT) sent before COMMIT is answered': {
    protocol: { ...sessionLock('first'), endCommit: 'whenCommitIsSent' },
    breaks: [GHOST, TOO_EARLY, CHANGED],
  },
};

/** Mistakes that the model shows to be just as bad, and that an implementation or a deployment could slip into. */
export const ALSO_UNSAFE: Readonly<Record<string, UnsafeVariant>> = {
  'row read before the lock is asked for, or in an older snapshot': {
    protocol: { ...sessionLock('first'), lookUp: 'rowThenLock' },
    breaks: [LOST, FALSE_REJECT, CHANGED],
  },
  'row read on a replica': {
    protocol: { ...sessionLock('first'), lookUp: 'lockThenReplica' },
    breaks: [LOST, LAST_CHECK, FALSE_REJECT, CHANGED],
  },
  'transaction that commits without the row its look-up asks for': {
    protocol: { ...sessionLock('first'), evidence: 'neverWritten' },
    breaks: [LOST, LAST_CHECK, FALSE_REJECT, CHANGED],
  },
  'in-doubt COMMIT answered by running the transaction again': {
    protocol: { ...marker('first'), onInDoubt: 'retry' },
    breaks: [FALSE_REJECT, LOST, CHANGED],
  },
  'connection replaced silently after GET_LOCK': {
    protocol: { ...sessionLock('first'), onConnectionLost: 'reconnectSilently' },
    breaks: [LOST, FALSE_REJECT, CHANGED],
  },
  'lock never released': { protocol: { ...sessionLock('first'), isLockReleased: false }, breaks: [LAST_CHECK] },
  'row deleted, or its transaction id overwritten, while the broker may ask': {
    protocol: { ...sessionLock('first'), evidence: 'removedAnyTime' },
    breaks: [LOST, LAST_CHECK, FALSE_REJECT, CHANGED],
  },
  'marker purged once the broker is done, the producer still stopped before its INSERT': {
    protocol: { ...marker('first'), evidence: 'removedOnceBrokerIsDone' },
    breaks: [LOST, FALSE_REJECT, CHANGED],
  },
  'row fence, refused COMMIT retried under the same half': {
    protocol: { ...rowFence(), onCommitRefused: 'retryUnderSameHalf' },
    breaks: [LOST, CHANGED],
  },
  'marker beforeCommit, refused COMMIT retried under the same half': {
    protocol: { ...marker('beforeCommit'), onCommitRefused: 'retryUnderSameHalf' },
    breaks: [LOST, CHANGED],
  },
  'session lock half checked by a version that says beforeCommit': {
    protocol: { ...sessionLock('first'), lookUpOfCheckers: 'rowNowait' },
    breaks: [LOST, CHANGED],
  },
  'row fence half checked by a version that says first': {
    protocol: { ...rowFence(), lookUpOfCheckers: 'lockThenRow' },
    breaks: [LOST, CHANGED],
  },
  'marker half sent first, checked by a version that says beforeCommit': {
    protocol: { ...marker('first'), lookUpOfCheckers: 'markerAbsentIsRollback' },
    breaks: [LOST, CHANGED],
  },
  'session lock half checked by a version that uses markers': {
    protocol: { ...sessionLock('first'), lookUpOfCheckers: 'markerWriteOnce' },
    breaks: [LOST, LAST_CHECK, CHANGED],
  },
};

/** Not in design.md's table, and safe all the same: what may be relied on, or relaxed. */
export const ALSO_SAFE: Readonly<Record<string, Protocol>> = {
  'FOR SHARE that waits, beforeCommit': unfenced('beforeCommit', 'rowForShare'),
  'session lock, beforeCommit': { ...sessionLock('first'), half: 'beforeCommit' },
  'lock, then row NOWAIT: session lock, first': { ...sessionLock('first'), lookUp: 'lockThenRowNowait' },
  'lock, then row NOWAIT: session lock, overlapped': { ...sessionLock('overlapped'), lookUp: 'lockThenRowNowait' },
  'lock, then row NOWAIT: row fence, beforeCommit': { ...rowFence(), lookUp: 'lockThenRowNowait' },
  'write-once answer to a marker, beforeCommit': { ...marker('beforeCommit'), lookUpOfCheckers: 'markerWriteOnce' },
  'marker purged once broker and producer are done': { ...marker('first'), evidence: 'removedOnceBothAreDone' },
  'session lock, refused COMMIT retried under the same half': { ...sessionLock('first'), onCommitRefused: 'retryUnderSameHalf' },
  'session lock overlapped, refused COMMIT retried under the same half': {
    ...sessionLock('overlapped'),
    onCommitRefused: 'retryUnderSameHalf',
  },
  'marker first, refused COMMIT retried under the same half': { ...marker('first'), onCommitRefused: 'retryUnderSameHalf' },
  'marker overlapped, refused COMMIT retried under the same half': { ...marker('overlapped'), onCommitRefused: 'retryUnderSameHalf' },
  'session lock, server that releases locks before it rolls back': { ...sessionLock('first'), closing: 'locksFirst' },
};
