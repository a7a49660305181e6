import type { MikroORM } from '@mikro-orm/mysql';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { composeOps } from '../../src/cli/compose-ops.ts';
import type { LoadedConfig } from '../../src/cli/config.ts';
import { link } from '../../src/cli/ops/html.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { mysqlDeadLetterStore } from '../../src/store/mysql-dead-letter-store.ts';
import { mysqlStatementStore } from '../../src/store/mysql-reconciliation-break-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { whyNoBrowser } from '../support/choose-browser.ts';
import { createDatabase, createTopic, type TestDatabase, useStack } from '../support/stack.ts';
import { openBrowser, openTab, screenshot, seriousViolations, type Tab, type View } from './support/browser.ts';
import { HOSTILE, insertOrder, type OrderFixture } from './support/ops-fixture.ts';

const noBrowser = whyNoBrowser(process.env);
if (noBrowser !== undefined) console.log(`NOT RUN: journeys on the ops page, because ${noBrowser}`);

describe.runIf(noBrowser !== undefined)('Journeys on the ops page in Chromium', () => {
  it.runIf(process.env['CI'] === 'true')('can be gone, which in CI they must be', () => {
    expect(noBrowser).toBeUndefined();
  });
  it.skipIf(process.env['CI'] === 'true')('are not run, for the reason above', () => {});
});

describe.skipIf(noBrowser !== undefined)('Journeys on the ops page in Chromium', () => {
  let home: TestDatabase;
  let orm: MikroORM;
  let ops: Awaited<ReturnType<typeof composeOps>>;
  let browser: Browser;
  let order: OrderFixture;
  let hostile: OrderFixture;
  let topic: string;
  const tabs: Tab[] = [];

  beforeAll(async () => {
    const { endpoints } = useStack();
    home = await createDatabase('ops_journeys');
    orm = await openOrm({ url: home.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
    await orm.migrator.up();
    order = await insertOrder(orm, 'o1');
    hostile = await insertOrder(orm, 'x1', HOSTILE);
    topic = await createTopic('NORMAL');
    await orm.em
      .getConnection()
      .execute(`update dead_letter set topic = ?, tag = 'placed', message_keys = '["o1"]' where id = ?`, [topic, order.letterId]);
    const config: LoadedConfig = { owner: 'shop', endpoints, databaseUrl: home.url, origins: {}, alertWebhook: undefined };
    ops = await composeOps(config, silentLogger, { port: 0 });
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await ops?.close();
    await orm?.close(true);
    await home?.drop();
  });
  afterEach(async () => {
    const complaints = tabs.flatMap((tab) => tab.complaints);
    for (const tab of tabs.splice(0)) await tab.close();
    if (complaints.length > 0) throw new Error(complaints.join('\n'));
  });

  const open = async (path: string, view?: View): Promise<Page> => {
    const tab = await openTab(browser, view);
    tabs.push(tab);
    await tab.page.goto(`${ops.part.url}${path}`);
    return tab.page;
  };

  it('find an order and read its story, down to what was sent and what came back', async () => {
    const page = await open('/');
    await page.getByRole('link', { name: 'Find', exact: true }).click();
    await page.getByLabel('Correlation id, order or idempotency key').fill(order.key);
    await page.getByRole('button', { name: 'Find the order' }).click();
    await page.getByRole('list').getByRole('link', { name: order.correlationId }).click();
    await page.getByRole('heading', { name: `Order ${order.correlationId}` }).waitFor();
    const told = await page.locator('.timeline li').allInnerTexts();
    expect(told.length).toBeGreaterThan(15);
    await screenshot(page, 'story');
    await page.getByRole('link', { name: 'attempt 1' }).first().click();
    await page.getByRole('heading', { name: 'Request', exact: true }).waitFor();
    await page.getByRole('heading', { name: 'Response', exact: true }).waitFor();
    expect(await page.getByLabel('Body of the request').innerText()).toBe('{"name":"o1","text":"as it was said"}');
    await screenshot(page, 'attempt');
  });

  it('replay a dead letter with a reason, by the keyboard alone', async () => {
    const page = await open('/dead-letters');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement?.textContent')).toBe('To the content');
    await page.keyboard.press('Enter');
    const letter = page.getByRole('link', { name: String(order.letterId), exact: true });
    await tabTo(page, letter);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: `Dead letter ${order.letterId}` }).waitFor();
    await tabTo(page, page.locator('summary', { hasText: 'Replay' }));
    await page.keyboard.press('Enter');
    await tabTo(page, page.locator('#replay-reason'));
    await page.keyboard.type('the bank is back');
    await page.keyboard.press('Tab');
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('ada');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText(`replayed to ${topic}`).waitFor();
    const store = mysqlDeadLetterStore(orm);
    expect((await store.find(order.letterId))!.standing).toMatchObject({
      state: 'REPLAYED',
      decidedBy: 'ada',
      decisionReason: 'the bank is back',
    });
    const history = page.getByRole('table', { name: 'What was done about it' });
    expect(await history.innerText()).toContain('the bank is back');
    await screenshot(page, 'dead-letter-replayed');
  });

  /** Presses Tab until the element has the focus. */
  async function tabTo(page: Page, element: ReturnType<Page['locator']>): Promise<void> {
    for (let nth = 0; nth < 60; nth += 1) {
      await page.keyboard.press('Tab');
      if (await element.evaluate((one) => one.matches(':focus'))) return;
    }
    throw new Error('Tab does not lead there');
  }

  it('resolve a break, which asks for a reason', async () => {
    const page = await open('/breaks');
    await page.getByRole('link', { name: String(order.breakId), exact: true }).click();
    await page.locator('summary', { hasText: 'Resolve' }).click();
    await page.getByRole('button', { name: 'Resolve' }).click();
    // The browser holds the form back: nothing was sent.
    expect(
      await page
        .locator('#resolve-reason')
        .evaluate((field) => (field as unknown as { validity: { valueMissing: boolean } }).validity.valueMissing),
    ).toBe(true);
    await page.locator('#resolve-reason').fill('the bank has corrected it');
    await page.locator('#resolve-by').fill('ada');
    await page.getByRole('button', { name: 'Resolve' }).click();
    await page.getByRole('status').getByText('resolved').waitFor();
    const [found] = await mysqlStatementStore(orm).list({}, { after: order.breakId - 1, limit: 1 });
    expect(found!.standing).toMatchObject({ state: 'RESOLVED', through: 'person', by: 'ada', why: 'the bank has corrected it' });
    await screenshot(page, 'break-resolved');
  });

  it('refresh the overview by itself, until that is stopped', async () => {
    const page = await open('/');
    const tile = page.getByRole('link', { name: /sagas, parked/ });
    expect(await tile.innerText()).toMatch(/^2/);
    await orm.em.getConnection().execute(`update saga_instance set status = 'ABANDONED' where id = ?`, [hostile.sagaId]);
    await expect.poll(() => tile.innerText(), { timeout: 60_000 }).toMatch(/^1/);
    await orm.em.getConnection().execute(`update saga_instance set status = 'PARKED' where id = ?`, [hostile.sagaId]);
    await page.getByRole('button', { name: 'Stop refreshing' }).click();
    await page.getByRole('button', { name: 'Refresh by itself' }).waitFor();
  });

  const paths = (of: OrderFixture): Record<string, string> => ({
    overview: '/',
    find: link('/find', { call: of.callName, status: 'UNKNOWN' }),
    story: link('/story', { id: of.correlationId }),
    attempt: link('/attempt', { call: of.callId, n: 1 }),
    'attempt-binary': link('/attempt', { call: of.callId, n: 2 }),
    unknown: '/unknown',
    'unknown-call': link('/unknown/call', { call: of.callName, key: of.key }),
    'dead-letters': '/dead-letters',
    'dead-letter': link('/dead-letters/letter', { id: of.letterId, body: 1 }),
    sagas: '/sagas',
    saga: link('/sagas/saga', { id: of.sagaId, data: 1 }),
    reconciliation: '/reconciliation',
    run: link('/reconciliation/run', { id: of.runId }),
    breaks: '/breaks',
    break: link('/breaks/break', { id: of.breakId }),
  });

  it('meet hostile text on every page without a dialog, a script, or a request to elsewhere', async () => {
    const page = await open('/');
    const { overview: _, ...others } = paths(hostile);
    for (const [name, path] of Object.entries(others)) {
      await page.goto(`${ops.part.url}${path}`);
      expect(await page.locator('main').innerText(), name).toContain('<img src=x onerror=');
      expect(await page.locator('main').locator('img, script, iframe, object').count(), name).toBe(0);
    }
    await screenshot(page, 'hostile');
  });

  it.each([
    { scheme: 'light', width: 1_280, of: 'all pages' },
    { scheme: 'dark', width: 360, of: 'all pages' },
    { scheme: 'dark', width: 1_280, of: 'the busiest pages' },
    { scheme: 'light', width: 360, of: 'the busiest pages' },
  ] as const)(
    'are open to everybody: nothing serious for axe, and nothing wider than the screen, $of, $scheme at $width px',
    { timeout: 300_000 },
    async (view) => {
      const page = await open('/', view);
      const busiest = ['overview', 'story', 'attempt', 'dead-letter', 'unknown-call'];
      for (const [name, path] of Object.entries(paths(order)).filter(([name]) => view.of === 'all pages' || busiest.includes(name))) {
        await page.goto(`${ops.part.url}${path}`);
        for (const details of await page.locator('details').all()) await details.evaluate((one) => one.setAttribute('open', ''));
        expect(await seriousViolations(page), name).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth'), name).toBeLessThanOrEqual(view.width);
        await screenshot(page, `${name}-${view.scheme}-${view.width}`);
      }
    },
  );
});
