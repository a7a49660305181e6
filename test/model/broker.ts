import type { Step } from './explore.ts';
import { attemptAt, nameOf, withAttempt, type World } from './world.ts';

/**
 * One half message in the broker, and every word ever said about it. A word once said may arrive at any time, again and
 * again, or never: lost, late and duplicated are one thing here. Words of the producer and answers to checks are not told
 * apart, for the broker does not either. UNKNOWN is no word.
 */
export interface Half {
  /** `gone`: an op record says it is decided, so that no check starts any more. */
  readonly at: 'unsent' | 'inFlight' | 'stored' | 'gone';
  readonly delivered: boolean;
  readonly saidCommit: boolean;
  readonly saidRollback: boolean;
}

export const UNSENT_HALF: Half = { at: 'unsent', delivered: false, saidCommit: false, saidRollback: false };

/** The words COMMIT or ROLLBACK leave for the broker. They may be said of a half that is not there (yet). */
export function say(half: Half, word: 'COMMIT' | 'ROLLBACK'): Half {
  return word === 'COMMIT' ? { ...half, saidCommit: true } : { ...half, saidRollback: true };
}

/**
 * What the broker may do: store a half, however late; act on a word. It keeps no finished state, so COMMIT delivers
 * whenever it arrives, even after ROLLBACK (rocketmq.md §1, run). The op record of either may be lost: then the half stays,
 * and is asked about again.
 */
export function brokerSteps(world: World): Step<World>[] {
  const steps: Step<World>[] = [];
  world.attempts.forEach(({ halves }, index) =>
    halves.forEach((half, number) => {
      const name = `half${nameOf(world, index)}${halves.length > 1 ? ` ${number + 1}` : ''}`;
      const become = (label: string, change: Partial<Half>): void => {
        const changed = attemptAt(world, index).halves.with(number, { ...half, ...change });
        steps.push({ label: `broker: ${label}`, to: withAttempt(world, index, { halves: changed }) });
      };
      if (half.at === 'inFlight') become(`stores ${name}`, { at: 'stored' });
      if (half.at !== 'stored' && half.at !== 'gone') return;
      if (half.saidCommit && half.at === 'stored') become(`hears COMMIT, delivers ${name}`, { at: 'gone', delivered: true });
      if (half.saidCommit && !half.delivered) {
        become(
          half.at === 'stored'
            ? `hears COMMIT, delivers ${name}, loses the op record`
            : `hears COMMIT of ${name} after ROLLBACK, delivers it`,
          {
            delivered: true,
          },
        );
      }
      if (half.saidRollback && half.at === 'stored') become(`hears ROLLBACK, removes ${name}`, { at: 'gone' });
    }),
  );
  return steps;
}
