import { say, type Half } from './broker.ts';
import { cut, NEW_SESSION, send } from './database-session.ts';
import type { Step } from './explore.ts';
import { isAnswer, lookUpSteps, type LookUpPoint } from './look-up.ts';
import type { Protocol } from './protocol.ts';
import { doing, firstStage, stageAfter, type Stage } from './stages.ts';
import { attemptAt, nameOf, withAttempt, type Attempt, type World } from './world.ts';

/** What the caller was told; `crashed` is nothing. */
type Outcome = 'none' | 'resolved' | 'halfFailed' | 'rolledBack' | 'inDoubt' | 'crashed';

export interface Producer {
  readonly stage: Stage;
  readonly hasHalfFailed: boolean;
  readonly hasRetried: boolean;
  readonly outcome: Outcome;
  readonly lookUp: LookUpPoint;
}

export const NEW_PRODUCER: Producer = { stage: 'notStarted', hasHalfFailed: false, hasRetried: false, outcome: 'none', lookUp: 'start' };

/** The steps of one `publish()`; a reply that is read and the next command that leaves are one step of the client. */
export function producerSteps(protocol: Protocol, world: World, index: number): Step<World>[] {
  const before = attemptAt(world, index);
  const { producer, session } = before;
  const { stage } = producer;
  const name = nameOf(world, index);
  if (stage === 'done') return [];
  const step = (label: string, after: Attempt): Step<World> => ({
    label: `producer${name}: ${label}`,
    to: withAttempt(world, index, after),
  });
  if (stage === 'notStarted') {
    const previous = index > 0 ? attemptAt(world, index - 1).producer.outcome : 'rolledBack';
    if (previous === 'none' || previous === 'resolved') return [];
    const first = firstStage(protocol);
    return [
      step(`publishes${index > 0 ? ' again under a new transaction id' : ''}, ${doing(protocol, first)}`, enter(protocol, before, first)),
    ];
  }

  const steps = liveSteps(protocol, before).map(([label, after]) => step(label, after));
  if (stage === 'lookUp') steps.push(...inDoubtSteps(protocol, world, index));
  const outcome = producer.outcome === 'none' ? 'crashed' : producer.outcome;
  steps.push(step('crashes', { ...enter(protocol, { ...before, producer: { ...producer, outcome } }, 'done'), session: cut(session) }));
  if (session.client === 'connected') {
    steps.push({ label: `network: cuts the session${name}`, to: withAttempt(world, index, { session: cut(session) }) });
  }
  return steps;
}

type Labelled = readonly [label: string, after: Attempt];

function liveSteps(protocol: Protocol, before: Attempt): Labelled[] {
  const { producer, session, halves } = before;
  const { stage } = producer;
  const goOn = (label: string, next: Stage, from = before): Labelled => [`${label}, ${doing(protocol, next)}`, enter(protocol, from, next)];
  const following = stageAfter(protocol, stage, producer.hasRetried);

  if (stage === 'awaitHalf') {
    const failed = { ...before, producer: { ...producer, hasHalfFailed: true } };
    const isStored = halves.every(({ at }) => at === 'stored' || at === 'gone');
    return [
      ...(isStored ? [goOn('hears that the half is stored', following)] : []),
      goOn('half send fails or times out', 'ROLLBACK', failed),
    ];
  }
  if (stage === 'lookUp' || stage === 'notStarted' || stage === 'sendHalf' || stage === 'done') return [];

  const afterwards: Stage = protocol.lock !== 'none' && protocol.isLockReleased ? 'RELEASE_LOCK' : 'done';
  if (session.client === 'gone') {
    if (stage === 'RELEASE_LOCK') return [goOn('sees the connection lost', 'done')];
    if (stage === 'COMMIT') return whenInDoubt(protocol, before);
    if (protocol.onConnectionLost === 'reconnectSilently' && stage !== 'ROLLBACK') {
      // Only once the server has closed the old session: that is enough to lose a message, and one session is enough state.
      return session.server === 'closed' ? [goOn('reconnects silently', stage, { ...before, session: NEW_SESSION })] : [];
    }
    // COMMIT was never sent and never will be: whatever the server does, this transaction cannot commit.
    return [['sees the connection lost before COMMIT, rejects', enter(protocol, reject(before), 'done')]];
  }
  if (session.reply === null) return [];
  const read = { ...before, session: { ...session, reply: null } };

  switch (stage) {
    case 'INSERT row':
      if (session.reply === 'duplicate') return [goOn('reads duplicate key', 'ROLLBACK', read)];
      return [goOn('row is inserted', following, read), goOn('business says no', 'ROLLBACK', read)];
    case 'INSERT marker 1':
      if (session.reply === 'duplicate' && protocol.onDuplicateMarker === 'abort') return [goOn('marker is a duplicate', 'ROLLBACK', read)];
      return [goOn(session.reply === 'duplicate' ? 'ignores that the marker is a duplicate' : 'marker is inserted', following, read)];
    case 'COMMIT':
      if (session.reply === 'ok') return [['reads OK of COMMIT, resolves, sends END(COMMIT)', enter(protocol, resolve(read), afterwards)]];
      if (protocol.onCommitRefused === 'retryUnderSameHalf' && !producer.hasRetried) {
        return [
          goOn('COMMIT was refused, retries under the same half', 'INSERT row', { ...read, producer: { ...producer, hasRetried: true } }),
        ];
      }
      return [['COMMIT was refused, rejects, sends END(ROLLBACK)', enter(protocol, reject(read), afterwards)]];
    case 'ROLLBACK':
      return [['reads OK of ROLLBACK, rejects', enter(protocol, reject(read), afterwards)]];
    case 'GET_LOCK':
    case 'RELEASE_LOCK':
      return [goOn(`${stage} is answered`, following, read)];
  }
}

/** COMMIT was sent and its reply will never come. */
function whenInDoubt(protocol: Protocol, before: Attempt): Labelled[] {
  switch (protocol.onInDoubt) {
    case 'assumeCommit':
      return [['COMMIT in doubt, taken as committed: resolves, sends END(COMMIT)', enter(protocol, resolve(before), 'done')]];
    case 'assumeRollback':
      return [['COMMIT in doubt, taken as rolled back: rejects, sends END(ROLLBACK)', enter(protocol, reject(before), 'done')]];
    case 'lookUp':
      return [['COMMIT in doubt, looks up on a fresh session', enter(protocol, before, 'lookUp')]];
    case 'retry': {
      // Like a silent reconnect: one session is enough state, so it waits until the old one is closed.
      if (before.session.server !== 'closed') return [];
      const fresh = { ...before, session: NEW_SESSION, producer: { ...before.producer, hasRetried: true } };
      return [['COMMIT in doubt, runs the transaction again', enter(protocol, fresh, 'INSERT row')]];
    }
  }
}

/** The publisher runs the check-back's own look-up and acts on its answer; it may be repeated, or given up at any point. */
function inDoubtSteps(protocol: Protocol, world: World, index: number): Step<World>[] {
  const name = `producer${nameOf(world, index)}`;
  const { producer } = attemptAt(world, index);
  const step = (label: string, base: World, after: Attempt): Step<World> => ({
    label: `${name}: ${label}`,
    to: withAttempt(base, index, after),
  });
  const end = (attempt: Attempt): Attempt => enter(protocol, attempt, 'done');
  const given = attemptAt(world, index);
  const steps = [step('gives up, rejects as in doubt', world, end({ ...given, producer: { ...producer, outcome: 'inDoubt' } }))];
  for (const { label, world: base, leadsTo } of lookUpSteps(protocol, protocol.lookUp, world, index, producer.lookUp)) {
    const attempt = attemptAt(base, index);
    if (!isAnswer(leadsTo)) steps.push(step(label, base, { ...attempt, producer: { ...producer, lookUp: leadsTo } }));
    if (leadsTo === 'COMMIT') steps.push(step(`${label}: resolves, sends END(COMMIT)`, base, end(resolve(attempt))));
    if (leadsTo === 'ROLLBACK') steps.push(step(`${label}: rejects, sends END(ROLLBACK)`, base, end(reject(attempt))));
  }
  return steps;
}

/** Moves to a stage, which is to send its command; a half is sent in passing. */
function enter(protocol: Protocol, attempt: Attempt, stage: Stage): Attempt {
  const at = { ...attempt, producer: { ...attempt.producer, stage } };
  switch (stage) {
    case 'sendHalf': {
      const halves = attempt.halves.map((half): Half => ({ ...half, at: 'inFlight' }));
      return enter(protocol, { ...at, halves }, stageAfter(protocol, stage));
    }
    case 'COMMIT': {
      const sent = { ...at, session: send(at.session, stage) };
      return protocol.endCommit === 'whenCommitIsSent' ? { ...sent, halves: sent.halves.map((half) => say(half, 'COMMIT')) } : sent;
    }
    case 'notStarted':
    case 'awaitHalf':
    case 'lookUp':
      return at;
    case 'done':
      // Only the outcome is remembered, so that states which differ in what nobody reads any more are one.
      return { ...attempt, producer: { ...NEW_PRODUCER, stage, outcome: attempt.producer.outcome } };
    default:
      return { ...at, session: send(at.session, stage) };
  }
}

function resolve(attempt: Attempt): Attempt {
  return { ...attempt, producer: { ...attempt.producer, outcome: 'resolved' }, halves: attempt.halves.map((half) => say(half, 'COMMIT')) };
}

/** Without an acknowledged half there is nothing to END; a failed send may still have been stored, and a check will find out. */
function reject(attempt: Attempt): Attempt {
  const { producer, halves } = attempt;
  const outcome = producer.hasHalfFailed ? 'halfFailed' : 'rolledBack';
  const isSent = halves.some(({ at }) => at !== 'unsent');
  return {
    ...attempt,
    producer: { ...producer, outcome },
    halves: isSent && !producer.hasHalfFailed ? halves.map((half) => say(half, 'ROLLBACK')) : halves,
  };
}
