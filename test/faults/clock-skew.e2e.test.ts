/* oxlint-disable vitest/no-conditional-expect -- what must hold depends on the outcome, which is not this test's to choose */
import { describe, expect, it } from 'vitest';
import { startProcess } from '../support/publishing-processes.ts';
import { openShop } from '../support/publishing-shop.ts';
import { collectDeliveries } from './support/deliveries.ts';

const PATIENCE = { timeout: 90_000, interval: 200 };
const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const CHILD = 'test/faults/support/skewed-producer.child.ts';

interface Said {
  readonly orderId?: string;
  readonly outcome?: string;
  readonly half?: string;
  readonly checked?: string;
  readonly resolution?: string;
  readonly published?: number;
  readonly at?: string;
}

describe.each([
  { clock: 'a second fast', offsetMs: SECOND, steps: 'before' },
  { clock: 'a second slow', offsetMs: -SECOND, steps: 'before' },
  { clock: 'a minute fast', offsetMs: MINUTE, steps: 'before' },
  { clock: 'a minute slow', offsetMs: -MINUTE, steps: 'before' },
  { clock: 'an hour fast from after its start', offsetMs: HOUR, steps: 'later' },
  { clock: 'an hour slow from after its start', offsetMs: -HOUR, steps: 'later' },
])('A producer whose clock is $clock, all its ENDs lost', ({ offsetMs, steps }) => {
  it('loses nothing and delivers no ghost: what it says is committed is delivered, and nothing else', async () => {
    await using shop = await openShop('clock_skew');
    await using deliveries = collectDeliveries(await shop.startConsumer());
    await using child = startProcess<Said>(CHILD, [], {
      env: { ...shop.env, CLOCK_OFFSET_MS: String(offsetMs), CLOCK_STEPS: steps },
      driven: true,
    });
    const said = child.reports;
    await expect.poll(() => said.find(({ published }) => published !== undefined), PATIENCE).toBeDefined();
    const { published, at } = said.find((line) => line.published !== undefined)!;
    expect(Math.abs(Date.parse(at!) - Date.now() - offsetMs)).toBeLessThan(Math.abs(offsetMs));

    const outcomes = said.filter(({ orderId }) => orderId !== undefined);
    expect(outcomes).toHaveLength(published!);
    const committed = outcomes.filter(({ outcome }) => outcome === 'committed').map(({ orderId }) => orderId!);
    expect(committed.length).toBeGreaterThanOrEqual(5);
    expect(await shop.orderIds()).toEqual(committed.toSorted());
    // A healthy order may be refused only where its fence is the marker: the check-back, which the clock has brought forward,
    // came before it; or its id looks too old, on a clock that is slow by the horizon of the purge.
    const mayBeRefused = offsetMs <= -HOUR ? /declined$|^marker/ : /declined$|^marker-first/;
    for (const { orderId, outcome } of outcomes) {
      if (outcome !== 'committed') expect([orderId, outcome]).toEqual([expect.stringMatching(mayBeRefused), 'CB_LOCAL_TRANSACTION']);
    }
    await expect.poll(() => committed.filter((id) => !deliveries.ids().has(id)), PATIENCE).toEqual([]);
    // Every half message is settled: whatever were to be delivered has been.
    const halves = said.flatMap(({ half }) => (half === undefined ? [] : [half]));
    const isSettled = (id: string): boolean =>
      said.some(({ checked, resolution }) => checked === id && (resolution === 'COMMIT' || resolution === 'ROLLBACK'));
    expect(halves.length).toBeGreaterThanOrEqual(committed.length);
    await expect.poll(() => halves.filter((id) => !isSettled(id)), PATIENCE).toEqual([]);
    expect([...deliveries.ids()].toSorted()).toEqual(committed.toSorted());
    child.send({});
    expect(await child.ended).toMatchObject({ how: 0, stderr: '' });
  });
});

describe('A producer whose clock is an hour off when it starts', () => {
  it.each([
    ['fast', HOUR],
    ['slow', -HOUR],
  ])('%s: is refused, and told by how much', async (_direction, offsetMs) => {
    await using shop = await openShop('clock_hour');
    await using child = startProcess<Said>(CHILD, [], { env: { ...shop.env, CLOCK_OFFSET_MS: String(offsetMs) } });
    let end: Awaited<typeof child.ended> | undefined;
    void child.ended.then((ended) => (end = ended));
    await expect.poll(() => end !== undefined || child.reports.length > 0, PATIENCE).toBe(true);
    expect(child.reports).toEqual([]);
    expect(end!.how).not.toBe(0);
    expect(end!.stderr).toMatch(offsetMs > 0 ? /clocks .* differ by -3600 s/ : /clocks .* differ by 3600 s/);
  });
});
