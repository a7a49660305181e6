import type { Facts } from './explore.ts';
import { answersNow } from './look-up.ts';
import type { Protocol } from './protocol.ts';
import type { Attempt, World } from './world.ts';

/** Names of what must hold, as a counterexample is asked for by them. */
export type Invariant = keyof typeof ALWAYS | keyof ReturnType<typeof atRest>;

const every = (holds: (attempt: Attempt) => boolean) => (world: World) => world.attempts.every(holds);

/** In every state. */
export const ALWAYS = {
  'I1 delivered only after its commit': every(({ halves, committed }) => committed || !halves.some(({ delivered }) => delivered)),
  'I8 resolved means committed': every(({ producer, committed }) => producer.outcome !== 'resolved' || committed),
  'I8 rejected as rolled back means never committed': every(
    ({ producer: { outcome }, committed }) => !committed || (outcome !== 'rolledBack' && outcome !== 'halfFailed'),
  ),
  'same answer for ever': every(({ halves }) => !halves.some(({ saidCommit, saidRollback }) => saidCommit && saidRollback)),
} satisfies Facts<World>;

/**
 * In every state where producers and sessions have nothing left to do. A word that the broker has not heard by then may
 * never be heard, so being on its way does not count as delivered; a half that is still held counts as not lost only
 * because a last check is shown to answer truly.
 */
export function atRest(protocol: Protocol) {
  const everyHeldHalf = (holds: (world: World, index: number) => boolean) => (world: World) =>
    world.attempts.every(({ halves }, index) => !halves.some(({ at }) => at === 'stored') || holds(world, index));
  return {
    'I1 no ghost': every(({ halves, committed }) => committed || !halves.some(({ delivered }) => delivered)),
    'I2 no lost message': every(({ halves, committed }) => !committed || halves.every(({ at, delivered }) => delivered || at === 'stored')),
    'I2 a last check answers, and truly': everyHeldHalf((world, index) => {
      const truth = world.attempts[index]?.committed ? 'COMMIT' : 'ROLLBACK';
      const answers = answersNow(protocol, world, index);
      return answers.size === 1 && answers.has(truth);
    }),
    'I8 the caller is told something': every(({ producer }) => producer.stage === 'notStarted' || producer.outcome !== 'none'),
  } satisfies Facts<World>;
}
