/* oxlint-disable vitest/no-conditional-expect -- what must hold depends on the outcome, which is not this test's to choose */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { openShop } from '../support/publishing-shop.ts';
import { collectDeliveries } from './support/deliveries.ts';

const PATIENCE = { timeout: 90_000, interval: 200 };
const MINUTE = 60_000;

interface Said {
  readonly orderId?: string;
  readonly outcome?: string;
  readonly checked?: string;
  readonly resolution?: string;
  readonly published?: number;
  readonly at?: string;
}

describe.each([
  ['a minute fast', MINUTE],
  ['a minute slow', -MINUTE],
])('A producer whose clock is %s, all its ENDs lost', (_what, offsetMs) => {
  it('loses nothing and delivers no ghost: what it says is committed is delivered, and nothing else', async () => {
    await using shop = await openShop('clock_skew');
    await using deliveries = collectDeliveries(await shop.startConsumer());
    const child = spawn(process.execPath, [join(import.meta.dirname, 'support/skewed-producer.child.ts')], {
      env: { ...shop.env, CLOCK_OFFSET_MS: String(offsetMs) },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    try {
      const said: Said[] = [];
      createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line) as Said));
      await expect.poll(() => said.find(({ published }) => published !== undefined), PATIENCE).toBeDefined();
      const { published, at } = said.find((line) => line.published !== undefined)!;
      expect(Math.sign(Date.parse(at!) - Date.now())).toBe(Math.sign(offsetMs));

      const outcomes = said.filter(({ orderId }) => orderId !== undefined);
      expect(outcomes).toHaveLength(published!);
      const committed = outcomes.filter(({ outcome }) => outcome === 'committed').map(({ orderId }) => orderId!);
      expect(await shop.orderIds()).toEqual(committed.toSorted());
      // A healthy order may be refused only where the check-back, which the clock has brought forward, came before its marker.
      for (const { orderId, outcome } of outcomes) {
        if (outcome !== 'committed')
          expect([orderId, outcome]).toEqual([expect.stringMatching(/declined$|^marker-first/), 'CB_LOCAL_TRANSACTION']);
      }
      await expect.poll(() => committed.filter((id) => !deliveries.ids().has(id)), PATIENCE).toEqual([]);
      // Every half message that was sent is settled: two before COMMIT were declined before they had one.
      const settled = () =>
        new Set(said.filter(({ resolution }) => resolution === 'COMMIT' || resolution === 'ROLLBACK').map(({ checked }) => checked));
      await expect.poll(() => settled().size, PATIENCE).toBe(published! - 2);
      expect([...deliveries.ids()].toSorted()).toEqual(committed.toSorted());
    } finally {
      child.stdin.end();
      const insist = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(insist);
    }
  });
});
