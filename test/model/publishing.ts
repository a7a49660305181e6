import { brokerSteps, UNSENT_HALF } from './broker.ts';
import { checkSteps } from './checker.ts';
import { databaseSteps, isSessionAtRest, NEW_SESSION } from './database-session.ts';
import type { Model, Step } from './explore.ts';
import { ALWAYS, atRest } from './invariants.ts';
import { NEW_PRODUCER, producerSteps } from './producer.ts';
import type { Protocol } from './protocol.ts';
import { nameOf, withAttempt, type Attempt, type World } from './world.ts';

/** The publishing protocol as a model: producers, their sessions, the broker and the checkers, all interleavings. */
export function publishing(protocol: Protocol): Model<World> {
  const attempt: Attempt = {
    producer: NEW_PRODUCER,
    session: NEW_SESSION,
    halves: Array.from({ length: protocol.messages }, () => UNSENT_HALF),
    committed: false,
    marker: null,
  };
  return {
    initial: [
      { attempts: Array.from({ length: protocol.attempts }, () => attempt), orderRow: null, checks: [], checksLeft: protocol.checks },
    ],
    next: (world) => [
      ...world.attempts.flatMap((_, index) => [...producerSteps(protocol, world, index), ...databaseSteps(protocol, world, index)]),
      ...brokerSteps(world),
      ...checkSteps(protocol, world),
      ...removalSteps(protocol, world),
    ],
    always: ALWAYS,
    atRest: atRest(protocol),
    isAtRest: ({ attempts }) => attempts.every(isAttemptAtRest),
    // Every step spreads the state before it, so keys keep their order; were one not to, states would only be counted twice.
    key: JSON.stringify,
  };
}

/**
 * Producer and session have nothing left to do, nothing is on its way by itself. Words to the broker may be lost for ever
 * and checkers may have died, so neither keeps the world from staying as it is.
 */
function isAttemptAtRest({ producer, session }: Attempt): boolean {
  return (producer.stage === 'done' || producer.stage === 'notStarted') && isSessionAtRest(session);
}

/** The purge of markers, or somebody's deletion of the row that a look-up needs. */
function removalSteps(protocol: Protocol, world: World): Step<World>[] {
  if (protocol.evidence === 'kept' || protocol.evidence === 'neverWritten') return [];
  return world.attempts.flatMap((attempt, index) => {
    const isBrokerDone =
      attempt.halves.every(({ at }) => at === 'unsent' || at === 'gone') && !world.checks.some((check) => check.attempt === index);
    const mayRemove =
      protocol.evidence === 'removedAnyTime' ||
      (isBrokerDone && (protocol.evidence === 'removedOnceBrokerIsDone' || isAttemptAtRest(attempt)));
    if (!mayRemove) return [];
    const of = nameOf(world, index);
    const steps: Step<World>[] = [];
    if (attempt.marker !== null)
      steps.push({ label: `purge: deletes marker ${attempt.marker}${of}`, to: withAttempt(world, index, { marker: null }) });
    if (!protocol.writesMarker && world.orderRow === index)
      steps.push({ label: `somebody: deletes the row${of}`, to: { ...world, orderRow: null } });
    return steps;
  });
}
