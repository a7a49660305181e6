import type { Command } from './database-session.ts';
import type { Protocol } from './protocol.ts';

/** What `publish()` is doing. At the name of a command it waits for that command's reply. */
export type Stage = 'notStarted' | 'sendHalf' | 'awaitHalf' | Command | 'lookUp' | 'done';

/** The straight path of `publish()` (design.md §3). Where it ends in a rollback it jumps. */
function stagesOf({ half, lock, writesMarker, isLockReleased }: Protocol): readonly Stage[] {
  const execute: Stage[] = writesMarker ? ['INSERT row', 'INSERT marker 1'] : ['INSERT row'];
  // A sent half may reach the broker at any later time, so sending it before the first statement covers every overlap.
  const body: Record<Protocol['half'], Stage[]> = {
    first: ['sendHalf', 'awaitHalf', ...(lock === 'afterHalf' ? (['GET_LOCK'] as const) : []), ...execute],
    overlapped: ['sendHalf', ...execute, 'awaitHalf'],
    beforeCommit: [...execute, 'sendHalf', 'awaitHalf'],
  };
  return [
    ...(lock === 'beforeHalf' ? (['GET_LOCK'] as const) : []),
    ...body[half],
    'COMMIT',
    ...(lock !== 'none' && isLockReleased ? (['RELEASE_LOCK'] as const) : []),
    'done',
  ];
}

const known = new WeakMap<Protocol, readonly Stage[]>();

function straightPath(protocol: Protocol): readonly Stage[] {
  const path = known.get(protocol) ?? stagesOf(protocol);
  known.set(protocol, path);
  return path;
}

export function firstStage(protocol: Protocol): Stage {
  return straightPath(protocol)[0] ?? 'done';
}

/** The next stage of the straight path; a transaction that runs again does so under the half it already has. */
export function stageAfter(protocol: Protocol, stage: Stage, hasRetried = false): Stage {
  const path = straightPath(protocol);
  const next = path[path.indexOf(stage) + 1] ?? 'done';
  return hasRetried && (next === 'sendHalf' || next === 'awaitHalf') ? stageAfter(protocol, next, hasRetried) : next;
}

/** What a producer is seen to do when it moves to a stage. */
export function doing(protocol: Protocol, stage: Stage): string {
  if (stage === 'done') return 'ends';
  if (stage === 'awaitHalf') return 'awaits the half';
  if (stage !== 'sendHalf') return `sends ${stage}`;
  return protocol.half === 'overlapped' ? 'sends the half and INSERT row side by side' : 'sends the half';
}
