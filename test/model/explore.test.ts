import { describe, expect, test } from 'vitest';
import { canonicalJson, explore, type Model, type Step } from './explore.ts';

/** Two jugs of 3 and 5 litres, a tap and a drain: the known shortest way to 4 litres takes six steps. */
interface Jugs {
  readonly small: number;
  readonly large: number;
}

const jugs: Model<Jugs> = {
  initial: [{ small: 0, large: 0 }],
  next: ({ small, large }) => {
    const toLarge = Math.min(small, 5 - large);
    const toSmall = Math.min(large, 3 - small);
    return [
      { label: 'fill small', to: { small: 3, large } },
      { label: 'fill large', to: { small, large: 5 } },
      { label: 'empty small', to: { small: 0, large } },
      { label: 'empty large', to: { small, large: 0 } },
      { label: 'small into large', to: { large: large + toLarge, small: small - toLarge } },
      { label: 'large into small', to: { small: small + toSmall, large: large - toSmall } },
    ];
  },
  always: { 'never 4 litres': ({ large }) => large !== 4, 'never more than 8 litres': ({ small, large }) => small + large <= 8 },
  atRest: {},
};

/** Two clerks who each read a counter and write it back plus one. */
interface Clerks {
  readonly counter: number;
  readonly read: readonly (number | null)[];
  readonly done: readonly boolean[];
}

const clerks: Model<Clerks> = {
  initial: [{ counter: 0, read: [null, null], done: [false, false] }],
  next: (state) =>
    [0, 1].flatMap((clerk): Step<Clerks>[] => {
      const seen = state.read[clerk] ?? null;
      if (state.done[clerk]) return [];
      if (seen === null) return [{ label: `clerk ${clerk} reads`, to: { ...state, read: state.read.with(clerk, state.counter) } }];
      return [{ label: `clerk ${clerk} writes`, to: { ...state, counter: seen + 1, done: state.done.with(clerk, true) } }];
    }),
  always: {},
  atRest: { 'both are counted': ({ counter }) => counter === 2 },
};

describe('explore', () => {
  test('finds a shortest path to a broken fact', () => {
    const { counterexamples } = explore(jugs);
    expect(counterexamples.get('never 4 litres')).toEqual([
      'fill large',
      'large into small',
      'empty small',
      'large into small',
      'fill large',
      'large into small',
    ]);
  });

  test('visits each state once, whatever order its keys were built in', () => {
    expect(explore(jugs).states).toBe(16);
  });

  test('goes on after a broken fact and has no path for a fact that holds', () => {
    expect([...explore(jugs).counterexamples.keys()]).toEqual(['never 4 litres']);
  });

  test('asks facts about rest only where no step leads out', () => {
    const { counterexamples, statesAtRest } = explore(clerks);
    expect(counterexamples.get('both are counted')).toEqual(['clerk 0 reads', 'clerk 1 reads', 'clerk 0 writes', 'clerk 1 writes']);
    expect(statesAtRest).toBeLessThan(explore(clerks).states);
  });

  test('asks facts about rest where the model says so', () => {
    const { counterexamples } = explore({ ...clerks, isAtRest: () => true });
    expect(counterexamples.get('both are counted')).toEqual([]);
  });

  test('refuses a space larger than its bound', () => {
    const endless: Model<number> = { initial: [0], next: (n) => [{ label: 'more', to: n + 1 }], always: {}, atRest: {} };
    expect(() => explore(endless, 1_000)).toThrow(RangeError);
  });

  test('canonical JSON sorts keys at every depth and leaves lists in their order', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}');
  });
});
