import { describe, expect, it } from 'vitest';
import type { PoolStatus } from '../../src/cli/status/pool-status.ts';
import { runCheckback } from '../cli/support/run-checkback.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { openShop, type Shop } from '../support/publishing-shop.ts';
import { useStack } from '../support/stack.ts';

const CONFIG = 'test/e2e/support/shop.config.ts';
const PATIENCE = { timeout: 60_000, interval: 300 };

/** Without the name server, unless a flag names it. */
const commandEnv = ({ env }: Shop): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[0] !== 'CHECKBACK_ROCKETMQ_NAMESRV'),
  );

/** As a script reads it: dates are text. */
async function statusOf(shop: Shop, ...flags: string[]): Promise<PoolStatus> {
  const { code, stderr, stdout } = await runCheckback(['status', '--config', CONFIG, '--json', ...flags], commandEnv(shop));
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as PoolStatus;
}

describe('checkback status', () => {
  it('shows what waits in the queue, what is unknown, and which workers are alive', async () => {
    await using shop = await openShop('status');
    const namesrv = ['--namesrv', useStack().namesrvAddress!];
    const publisher = await shop.startPublisher();
    shop.bank.follow(({ method, idempotencyKey }) =>
      method === 'POST' && idempotencyKey === 'silent' ? { kind: 'never-answer' } : undefined,
    );
    for (const orderId of ['one', 'two', 'silent']) await publisher.publish(shop.placeOrder, anOrder(orderId));

    // The broker may deliver more often than was published: a check-back that crosses an END is answered COMMIT too.
    await expect.poll(async () => (await statusOf(shop, ...namesrv)).queues[0]?.lag, PATIENCE).toBeGreaterThanOrEqual(3);
    const idle = await statusOf(shop);
    expect(idle).toMatchObject({ workers: [], calls: { unknown: 0 }, deadLetters: { open: 0 }, sagas: { running: 0 } });
    expect(idle.queues[0]!.lag).toMatch(/CHECKBACK_ROCKETMQ_NAMESRV/);

    await using worker = startProcess('src/cli/main.ts', ['worker', '--config', CONFIG], { env: shop.env });
    await expect
      .poll(() => statusOf(shop, ...namesrv), PATIENCE)
      .toMatchObject({
        workers: [{ pid: worker.pid, stats: { inFlight: 0 }, circuits: [{ origin: 'bank', state: 'closed' }] }],
        queues: [{ topic: shop.topic, group: shop.group, lag: 0 }],
        calls: {
          inProgress: 0,
          waiting: 0,
          unknown: 1,
          unknownByAge: [{ underMs: 300_000, count: 1 }, { count: 0 }, { count: 0 }, { count: 0 }],
        },
        statusChecks: { byState: { DUE: 1, REVIEW: 0 }, overdue: 0 },
      });

    expect((await statusOf(shop)).workers[0]?.stats.acked).toBeGreaterThanOrEqual(3);

    const screen = await runCheckback(['status', '--config', CONFIG], commandEnv(shop));
    expect(screen.stdout).toMatch(/workers: 1 alive/);
    expect(screen.stdout).toMatch(/outcome unknown +1 \(1 under 5 min\)/);

    worker.kill('SIGTERM');
    await worker.ended;
    expect((await statusOf(shop)).workers).toEqual([]);
  });

  it('says that the database does not answer, and exits 1', async () => {
    await using shop = await openShop('status-down');
    const env = { ...commandEnv(shop), CHECKBACK_MYSQL_URL: 'mysql://root@127.0.0.1:1/nowhere' };
    const { code, stderr } = await runCheckback(['status', '--config', CONFIG], env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no answer from the database at 127\.0\.0\.1:1/);
  });
});
