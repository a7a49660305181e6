import { say } from './broker.ts';
import type { Step } from './explore.ts';
import { isAnswer, lookUpSteps, ruleOfCheckers, type LookUpPoint } from './look-up.ts';
import type { Protocol } from './protocol.ts';
import { attemptAt, nameOf, withAttempt, type World } from './world.ts';

/** A check-back under way in some other process. One that died is one that takes no further step. */
export interface Check {
  readonly attempt: number;
  readonly half: number;
  readonly point: LookUpPoint;
}

const AT_ONCE = 2;

/** The broker may ask about any half it holds, any number of times, and ask again while an answer is being found. */
export function checkSteps(protocol: Protocol, world: World): Step<World>[] {
  const steps: Step<World>[] = [];
  if (world.checksLeft > 0) {
    world.attempts.forEach(({ halves }, attempt) =>
      halves.forEach(({ at }, half) => {
        if (at !== 'stored') return;
        const asked = { ...world, checksLeft: world.checksLeft - 1 };
        const what = `check${nameOf(world, attempt)}${halves.length > 1 ? ` of half ${half + 1}` : ''}`;
        if (world.checks.length < AT_ONCE) {
          const checks = sorted([...world.checks, { attempt, half, point: 'start' }]);
          steps.push({ label: `broker: asks back, ${what}`, to: { ...asked, checks } });
        }
        if (protocol.foreignOwner === 'ROLLBACK') {
          steps.push({
            label: `another service: gets the ${what}, knows no such row, answers ROLLBACK`,
            to: answer(asked, attempt, half, 'ROLLBACK'),
          });
        }
      }),
    );
  }
  world.checks.forEach(({ attempt, half, point }, at) => {
    for (const { label, world: after, leadsTo } of lookUpSteps(protocol, ruleOfCheckers(protocol), world, attempt, point)) {
      const who = `check${nameOf(world, attempt)}: ${label}`;
      if (isAnswer(leadsTo)) {
        const finished = { ...after, checks: after.checks.toSpliced(at, 1) };
        steps.push({ label: `${who}, answers ${leadsTo}`, to: answer(finished, attempt, half, leadsTo) });
      } else {
        steps.push({ label: who, to: { ...after, checks: sorted(after.checks.with(at, { attempt, half, point: leadsTo })) } });
      }
    }
  });
  return steps;
}

function answer(world: World, attempt: number, half: number, word: 'COMMIT' | 'ROLLBACK' | 'UNKNOWN'): World {
  if (word === 'UNKNOWN') return world;
  const { halves } = attemptAt(world, attempt);
  return withAttempt(world, attempt, { halves: halves.map((each, at) => (at === half ? say(each, word) : each)) });
}

function sorted(checks: readonly Check[]): readonly Check[] {
  const rank = ({ attempt, half, point }: Check): string => `${attempt}${half}${point}`;
  return checks.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}
