import { describe, expect, it } from 'vitest';
import { type ParkedFate, type ParkedHalf, type RescueParkedOptions, rescueParked } from '../../src/reconciliation/rescue-parked.ts';

const AT = new Date('2026-01-02T03:04:05Z');
const half = (messageId: string, parkedAt = AT): ParkedHalf => ({
  topic: 'orders',
  tag: '',
  keys: [],
  properties: {},
  body: Buffer.from('{}'),
  messageId,
  bornAt: AT,
  parkedAt,
});

function world(overrides: Partial<RescueParkedOptions> = {}, ids = ['a']) {
  const sent: string[] = [];
  const resumed = new Set<string>();
  const fates: [string, ParkedFate, string | undefined][] = [];
  const options: RescueParkedOptions = {
    halves: (async function* () {
      yield* ids.map((id) => half(id));
    })(),
    resolve: async () => ({ resolution: 'COMMIT' }),
    isDelivered: async () => false,
    ledger: { has: async (id) => resumed.has(id), add: async ({ messageId }) => void resumed.add(messageId) },
    send: async ({ messageId }) => void sent.push(messageId),
    by: 'ann',
    isDryRun: false,
    turn: async () => {},
    onFate: ({ messageId }, fate, why) => void fates.push([messageId, fate, why]),
    ...overrides,
  };
  return { run: (signal = new AbortController().signal) => rescueParked(options, signal), sent, resumed, fates };
}

describe('A rescue of parked halves', () => {
  it('sends what committed, once over all runs', async () => {
    const first = world({}, ['a', 'b', 'a']);
    expect(await first.run()).toMatchObject({ resumed: 2, 'resumed-before': 1 });
    expect(first.sent).toEqual(['a', 'b']);
  });

  it.each([
    ['what never committed', { resolve: async () => ({ resolution: 'ROLLBACK' as const }) }, 'rolled-back', undefined],
    ['what nobody can say', { resolve: async () => ({ resolution: 'UNKNOWN' as const, reason: 'locked' }) }, 'unknown', 'locked'],
    [
      'what is another service’s',
      { resolve: async () => ({ resolution: 'UNKNOWN' as const, reason: 'owned by "x"', isForeign: true as const }) },
      'foreign',
      'owned by "x"',
    ],
    ['what was delivered', { isDelivered: async () => true }, 'delivered', undefined],
    ['anything in a dry run', { isDryRun: true }, 'would-resume', undefined],
  ])('does not send %s', async (_what, overrides, fate, why) => {
    const { run, sent, resumed, fates } = world(overrides);
    await run();
    expect(sent).toEqual([]);
    expect(resumed.size).toBe(0);
    expect(fates).toEqual([['a', fate, why]]);
  });

  it('goes on when one cannot be sent, and remembers nothing of it', async () => {
    const { run, resumed, fates } = world(
      {
        send: async ({ messageId }) => {
          if (messageId === 'a') throw new Error('no broker');
        },
      },
      ['a', 'b'],
    );
    expect(await run()).toMatchObject({ failed: 1, resumed: 1 });
    expect(fates[0]).toEqual(['a', 'failed', 'no broker']);
    expect([...resumed]).toEqual(['b']);
  });

  it('leaves what was parked before the time that is asked about', async () => {
    const later = new Date(AT.getTime() + 1);
    const { run, sent } = world({
      since: later,
      halves: (async function* () {
        yield half('old');
        yield half('new', later);
      })(),
    });
    await run();
    expect(sent).toEqual(['new']);
  });

  it('stops between two halves', async () => {
    const stop = new AbortController();
    const { run, sent } = world({ onFate: () => stop.abort(new Error('stopped')) }, ['a', 'b']);
    await expect(run(stop.signal)).rejects.toThrow('stopped');
    expect(sent).toEqual(['a']);
  });
});
