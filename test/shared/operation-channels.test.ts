import { describe, expect, it } from 'vitest';
import { type Around, operationChannels } from '../../src/shared/operation-channels.ts';

const { run, on } = operationChannels<{ work: { readonly id: number } }>('checkback:test-operations', { work: true });

describe('An operation', () => {
  it('is done as it is when nobody listens, and nothing is computed', async () => {
    const event = (): never => {
      throw new Error('computed for nobody');
    };
    expect(await run('work', event, async () => 'done')).toBe('done');
  });

  it('runs inside what its subscribers put around it, the first one outermost', async () => {
    const told: string[] = [];
    const around =
      (name: string): Around =>
      async (work) => {
        told.push(`${name} begins`);
        const result = await work();
        told.push(`${name} ends`);
        return result;
      };
    const stops = [
      on('work', ({ id }) => around(`outer ${id}`)),
      on('work', () => undefined),
      on('work', ({ id }) => around(`inner ${id}`)),
    ];
    const work = async (): Promise<string> => (told.push('work'), 'done');
    expect(await run('work', () => ({ id: 7 }), work)).toBe('done');
    expect(told).toEqual(['outer 7 begins', 'inner 7 begins', 'work', 'inner 7 ends', 'outer 7 ends']);
    for (const stop of stops) stop();
    told.length = 0;
    await run('work', () => ({ id: 8 }), work);
    expect(told).toEqual(['work']);
  });

  it('rejects as its work does', async () => {
    const stop = on('work', () => (work) => work());
    const error = new Error('no');
    await expect(
      run(
        'work',
        () => ({ id: 1 }),
        () => Promise.reject(error),
      ),
    ).rejects.toBe(error);
    stop();
  });
});
