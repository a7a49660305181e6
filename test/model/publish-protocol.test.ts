import { afterAll, describe, expect, test } from 'vitest';
import { explore, type Exploration, type Facts } from './explore.ts';
import { STRICT, type Protocol } from './protocol.ts';
import { publishing } from './publishing.ts';
import { ALSO_SAFE, ALSO_UNSAFE, UNSAFE } from './unsafe-variants.ts';
import type { World } from './world.ts';

const counts: string[] = [];
afterAll(() => console.log(`states explored, breadth first, to the end:\n${counts.join('\n')}`));

function exploreProtocol(name: string, protocol: Protocol): Exploration {
  const found = explore(publishing(protocol));
  counts.push(`${String(found.states).padStart(8)}  ${name}${found.counterexamples.size > 0 ? '  UNSAFE' : ''}`);
  return found;
}

/** Every part of the world that grows, each beyond what any known counterexample needs. */
const WORLDS: Readonly<Record<string, (protocol: Protocol) => Partial<Protocol>>> = {
  'five checks': () => ({ checks: 5 }),
  'two messages, three checks': () => ({ messages: 2, checks: 3 }),
  // Two checks hold in the other modes as well, at about 200,000 states each: too slow for every run.
  'a second attempt under a new id': ({ half }) => ({ attempts: 2, checks: half === 'beforeCommit' ? 2 : 1 }),
};

describe.each(Object.entries(STRICT))('%s', (name, protocol) => {
  test.each(Object.entries(WORLDS))('holds every invariant in every interleaving: %s', (world, changeOf) => {
    const found = exploreProtocol(`${name}: ${world}`, { ...protocol, ...changeOf(protocol) });
    expect(Object.fromEntries(found.counterexamples)).toEqual({});
    expect(found.statesAtRest).toBeGreaterThan(0);
  });

  test('reaches every ending, so that it is not safe by standing still', () => {
    const endings: Facts<World> = {
      resolved: isNever(({ producer }) => producer.outcome === 'resolved'),
      'half failed': isNever(({ producer }) => producer.outcome === 'halfFailed'),
      'half failed and stored': isNever(({ producer, halves }) => producer.outcome === 'halfFailed' && halves[0]?.at === 'stored'),
      'rolled back': isNever(({ producer }) => producer.outcome === 'rolledBack'),
      'in doubt, committed': isNever(({ producer, committed }) => producer.outcome === 'inDoubt' && committed),
      'in doubt, not committed': isNever(({ producer, committed }) => producer.outcome === 'inDoubt' && !committed),
      'crashed, committed, delivered by a check': isNever(
        ({ producer, committed, halves }) => producer.outcome === 'crashed' && committed && halves[0]?.delivered === true,
      ),
      'crashed, removed by a check': isNever(
        ({ producer, halves }) => producer.outcome === 'crashed' && halves[0]?.at === 'gone' && !halves[0].delivered,
      ),
      'delivered, op record lost, asked again': isNever(({ halves }) => halves[0]?.at === 'stored' && halves[0].delivered),
    };
    const found = explore({ ...publishing(protocol), always: endings, atRest: {} });
    expect([...found.counterexamples.keys()].toSorted()).toEqual(Object.keys(endings).toSorted());
  });
});

test('a second attempt can be the only one delivered, its forerunner removed by a check', () => {
  const never: Facts<World> = {
    'only the second': ({ attempts: [first, second] }) =>
      !(first?.producer.outcome === 'halfFailed' && first.halves[0]?.at === 'gone' && second?.halves[0]?.delivered),
  };
  const found = explore({ ...publishing({ ...STRICT['row fence, beforeCommit']!, attempts: 2, checks: 1 }), always: never, atRest: {} });
  expect(found.counterexamples.has('only the second')).toBe(true);
});

describe('A safe variant', () => {
  test.each(Object.entries(ALSO_SAFE))('%s holds every invariant', (name, protocol) => {
    expect(Object.fromEntries(exploreProtocol(name, protocol).counterexamples)).toEqual({});
  });
});

describe('An unsafe variant', () => {
  test.each(Object.entries({ ...UNSAFE, ...ALSO_UNSAFE }))('%s has a counterexample', (name, { protocol, breaks }) => {
    const { counterexamples } = exploreProtocol(name, protocol);
    console.log(storyOf(name, breaks[0], counterexamples.get(breaks[0]) ?? []));
    expect([...counterexamples.keys()].toSorted()).toEqual(breaks.toSorted());
  });

  test('tells its shortest story step by step', () => {
    const { counterexamples } = explore(publishing(UNSAFE['plain SELECT checker, beforeCommit']!.protocol));
    expect(counterexamples.get('I2 no lost message')).toEqual([
      'producer: publishes, sends INSERT row',
      'database: executes INSERT row',
      'producer: row is inserted, sends the half',
      'broker: stores half',
      'producer: hears that the half is stored, sends COMMIT',
      'broker: asks back, check',
      'check: reads the row: absent, answers ROLLBACK',
      'database: executes COMMIT',
      'producer: reads OK of COMMIT, resolves, sends END(COMMIT)',
      'broker: hears ROLLBACK, removes half',
    ]);
  });
});

function isNever(holds: (attempt: World['attempts'][number]) => boolean): (world: World) => boolean {
  return (world) => !world.attempts.some(holds);
}

function storyOf(name: string, invariant: string, steps: readonly string[]): string {
  const numbered = steps.map((step, at) => `${String(at + 1).padStart(4)}  ${step}`);
  return [name, ...numbered, `   =>  and nothing more happens; broken: ${invariant}`].join('\n');
}
