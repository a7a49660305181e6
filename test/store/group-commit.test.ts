import { describe, expect, it } from 'vitest';
import { GroupCommit } from '../../src/store/group-commit.ts';

interface Run {
  readonly items: readonly string[];
  readonly gate: PromiseWithResolvers<void>;
}

/** A group commit whose transactions end when the test says so. */
function gated({ lanes = 1, maxItems = 10, laneTimeoutMs = 60_000 } = {}) {
  const together: Run[] = [];
  const alone: Run[] = [];
  const run = (runs: Run[], items: readonly string[]): Promise<void> => {
    const gate = Promise.withResolvers<void>();
    runs.push({ items, gate });
    return gate.promise;
  };
  const group = new GroupCommit<string, string>({
    lanes,
    maxItems,
    laneTimeoutMs,
    together: (items) => run(together, items).then(() => items.map((item) => `${item} together`)),
    alone: (item) => run(alone, [item]).then(() => `${item} alone`),
  });
  return { group, together, alone };
}

const turn = (): Promise<void> => new Promise(setImmediate);

describe('GroupCommit', () => {
  it('keeps nobody waiting for company', () => {
    const { group, alone, together } = gated({ lanes: 2 });
    void group.add('a');
    void group.add('b');
    expect(alone.map(({ items }) => items)).toEqual([['a'], ['b']]);
    expect(together).toEqual([]);
  });

  it('commits together whoever came while a transaction ran, in order', async () => {
    const { group, alone, together } = gated();
    const results = ['a', 'b', 'c'].map((item) => group.add(item));
    alone[0]!.gate.resolve();
    await turn();
    expect(together.map(({ items }) => items)).toEqual([['b', 'c']]);
    together[0]!.gate.resolve();
    expect(await Promise.all(results)).toEqual(['a alone', 'b together', 'c together']);
  });

  it('commits no more at once than it may', async () => {
    const { group, alone, together } = gated({ maxItems: 2 });
    for (const item of ['a', 'b', 'c', 'd', 'e']) void group.add(item);
    alone[0]!.gate.resolve();
    await turn();
    expect(together.map(({ items }) => items)).toEqual([['b', 'c']]);
    together[0]!.gate.resolve();
    await turn();
    expect(together.map(({ items }) => items)).toEqual([
      ['b', 'c'],
      ['d', 'e'],
    ]);
  });

  it('does each by itself when they fail together, so that a bad one harms nobody', async () => {
    const { group, alone, together } = gated();
    void group.add('first');
    const results = ['good', 'bad'].map((item) => group.add(item));
    alone[0]!.gate.resolve();
    await turn();
    together[0]!.gate.reject(new Error('bad row'));
    await turn();
    alone[1]!.gate.resolve();
    alone[2]!.gate.reject(new Error('bad row'));
    expect(await Promise.allSettled(results)).toMatchObject([{ value: 'good alone' }, { reason: { message: 'bad row' } }]);
  });

  it('goes on with the next while those of a failed batch are still being done', async () => {
    const { group, alone, together } = gated();
    for (const item of ['a', 'b', 'c']) void group.add(item);
    alone[0]!.gate.resolve();
    await turn();
    together[0]!.gate.reject(new Error('bad row'));
    await turn();
    void group.add('d');
    expect(alone.map(({ items }) => items)).toEqual([['a'], ['b'], ['c'], ['d']]);
  });

  it('gives a lane up to the next when one alone gets no answer, and still says how it ended', async () => {
    const { group, alone } = gated({ laneTimeoutMs: 20 });
    const first = group.add('a');
    void group.add('b');
    await expect.poll(() => alone.map(({ items }) => items)).toEqual([['a'], ['b']]);
    alone[0]!.gate.resolve();
    expect(await first).toBe('a alone');
  });

  it('does each by itself when together they get no answer', async () => {
    const { group, alone, together } = gated({ laneTimeoutMs: 20 });
    for (const item of ['a', 'b', 'c']) void group.add(item);
    alone[0]!.gate.resolve();
    await expect.poll(() => alone.map(({ items }) => items)).toEqual([['a'], ['b'], ['c']]);
    expect(together.map(({ items }) => items)).toEqual([['b', 'c']]);
  });
});
