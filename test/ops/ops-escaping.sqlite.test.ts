import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { link } from '../../src/cli/ops/html.ts';
import { CANARY, HOSTILE, insertOrder, type OrderFixture, SHORT_CANARY } from './support/ops-fixture.ts';
import { openOpsHome, type OpsHome, Visit } from './support/ops-home.ts';

describe('Text from outside on the ops page', () => {
  let home: OpsHome;
  let order: OrderFixture;
  beforeAll(async () => {
    home = await openOpsHome();
    order = await insertOrder(home.orm, 'x1', HOSTILE);
  });
  afterAll(() => home.close());

  /** Each, and whether some of the hostile text is to be seen there. */
  const pages = (): [string, boolean][] => [
    ['/', false],
    [link('/find', { q: order.key }), true],
    [link('/find', { q: CANARY }), true],
    [link('/find', { call: order.callName, status: 'UNKNOWN' }), true],
    [link('/story', { id: order.correlationId }), true],
    [link('/story', { id: CANARY }), true],
    [link('/attempt', { call: order.callId, n: 1 }), true],
    [link('/attempt', { call: order.callId, n: 2 }), true],
    ['/unknown', true],
    [link('/unknown/call', { call: order.callName, key: order.key }), true],
    ['/dead-letters', true],
    [link('/dead-letters/letter', { id: order.letterId, body: 1 }), true],
    ['/sagas', true],
    [link('/sagas/saga', { id: order.sagaId, data: 1 }), true],
    ['/reconciliation', true],
    [link('/reconciliation/run', { id: order.runId }), true],
    ['/breaks', true],
    [link('/breaks/break', { id: order.breakId }), true],
    [link('/unknown', { state: CANARY }), false],
    [link('/dead-letters', { after: CANARY }), false],
  ];

  it('is text on every page, whichever field holds it', async () => {
    const visit = new Visit(home.url);
    for (const [path, isSeen] of pages()) {
      const { text } = await visit.get(path);
      expect(text.includes('&lt;img src=x onerror='), path).toBe(isSeen);
      // Nothing that begins an element stands unescaped, and no attribute has been left early.
      for (const sign of ['<img', '<script>', 'onerror=alert(4711)>', `"'>`]) expect(text.includes(sign), `${path} ${sign}`).toBe(false);
      expect(text.match(/<script\b[^>]*>/g), path).toEqual(['<script src="/assets/ops.js" defer>']);
      // Quoted values hold what they hold; nothing else of an element was said by anybody but us.
      expect(text.replace(/"[^"]*"/g, '""'), path).not.toMatch(/<[^>]*\s(?:on\w+|style)=/);
    }
  });

  it('is in attributes what it was', async () => {
    const { text } = await new Visit(home.url).get(link('/find', { q: SHORT_CANARY }));
    expect(text).toContain('value="&lt;img src=x onerror=alert(1)&gt;"');
  });
});
