import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runCheckback } from '../cli/support/run-checkback.ts';
import { ABANDONED, openShop, type Shop, UNKNOWN } from './support/shop.ts';

const CONFIG = 'test/reconciliation/support/reconcile.config.ts';

describe('checkback reconcile open, killed', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop();
  });
  beforeEach(() => shop.clear());
  afterAll(() => shop?.close());

  const env = (): Record<string, string> => ({
    CHECKBACK_MYSQL_URL: shop.home.url,
    CHECKBACK_ROCKETMQ_ENDPOINTS: '127.0.0.1:1',
    CHECKBACK_ORIGINS: `bank=${shop.bank.origin}`,
  });
  const reconcile = (...flags: string[]) => runCheckback(['reconcile', 'open', '--json', '--config', CONFIG, ...flags], env());
  /** Twenty calls of every kind; the last one cannot be settled. */
  const seed = async (): Promise<void> => {
    for (let nth = 0; nth < 20; nth += 1) {
      const id = `o${nth}`;
      await shop.order(id);
      if (nth % 5 === 4) await shop.refused(id);
      else await shop.paid(id);
      await shop.call(id, nth % 2 === 0 ? ABANDONED : UNKNOWN);
      if (nth % 4 === 3) await shop.check(id, 0);
    }
    await shop.call('no-order');
  };
  const end = async (printed: { readonly code: number; readonly stdout: string }) => {
    const { looked, totals, open, breaks } = JSON.parse(printed.stdout) as Record<string, unknown>;
    const calls = await shop.statuses();
    return { code: printed.code, report: { looked, totals, open, breaks }, calls, orders: await shop.orderStatuses() };
  };

  it.each([1, 7, 14])(
    'at question %i and started again: same end, same report, nothing that was answered is asked again',
    async (question) => {
      await seed();
      const expected = await end(await reconcile());
      expect(expected).toMatchObject({ code: 2, report: { looked: 21, totals: { SUCCESS: 16, FAIL: 4, NO_MESSAGE: 1 }, open: 1 } });

      await shop.clear();
      await seed();
      let asked = 0;
      const reached = Promise.withResolvers<string>();
      shop.bank.follow(({ method, path }) => {
        // Never answered: it dies with the question on its way.
        if (method !== 'GET' || (asked += 1) !== question) return undefined;
        reached.resolve(path.slice('/payments/'.length));
        return { kind: 'never-answer' };
      });
      const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
      const { PATH, NODE_COMPILE_CACHE = '' } = process.env;
      const child = spawn(process.execPath, [main, 'reconcile', 'open', '--config', CONFIG], {
        env: { PATH, NODE_COMPILE_CACHE, ...env() },
        stdio: 'ignore',
      });
      const onItsWay = await reached.promise;
      child.kill('SIGKILL');
      await once(child, 'exit');

      expect(await end(await reconcile())).toEqual(expected);
      expect(await shop.execute('select count(*) as n from reconciliation_run')).toEqual([{ n: 1 }]);
      const questions = shop.questions();
      const again = Object.keys(questions).filter((id) => questions[id]! > 1);
      // Those in flight when it died, and no other: at most as many as are worked at once.
      expect(again).toContain(onItsWay);
      expect(again.length).toBeLessThanOrEqual(2);
      expect(Math.max(...Object.values(questions))).toBe(2);
      expect(await reconcile()).toMatchObject({ code: 2, stdout: expect.stringContaining('"looked":1,') as string });
    },
  );

  it('a dry run says what would be done and does nothing', async () => {
    await seed();
    const before = await shop.statuses();
    const { code, stdout } = await reconcile('--dry-run');
    expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({
      code: 2,
      isDryRun: true,
      runId: null,
      looked: 21,
      totals: { WOULD_ASK: 20, NO_MESSAGE: 1 },
    });
    expect(await shop.statuses()).toEqual(before);
    expect(shop.questions()).toEqual({});
    expect(await shop.execute('select id from reconciliation_run')).toEqual([]);
  });

  it('exits with 0 when nothing is open, with 1 when it fails or is called wrongly', async () => {
    expect(await reconcile()).toMatchObject({ code: 0 });
    expect(await reconcile('--since', 'yesterday')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/must look like 90min/) as string,
    });
    const away = await runCheckback(['reconcile', 'open', '--config', CONFIG], {
      ...env(),
      CHECKBACK_MYSQL_URL: 'mysql://root@127.0.0.1:1/none',
    });
    expect(away.code).toBe(1);
  });
});
