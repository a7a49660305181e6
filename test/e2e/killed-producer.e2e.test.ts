import { describe, expect, it } from 'vitest';
import { collectEvents } from '../support/publishing-events.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { openShop } from '../support/publishing-shop.ts';
import type { Doom, DoomedOrder } from './support/doomed-producer.ts';

const PATIENCE = { timeout: 60_000, interval: 200 };

const FATES: readonly { doom: Doom; answer: 'COMMIT' | 'ROLLBACK'; survivors: readonly string[] }[] = [
  { doom: 'before BEGIN', answer: 'ROLLBACK', survivors: [] },
  { doom: 'with its row inserted', answer: 'ROLLBACK', survivors: [] },
  { doom: 'between COMMIT and END', answer: 'COMMIT', survivors: ['order-doomed'] },
];

describe('A producer killed by SIGKILL', () => {
  it.each(FATES)('$doom: another process answers $answer from the row', async ({ doom, answer, survivors }) => {
    await using shop = await openShop('killed');
    using checked = collectEvents('checked');
    const orderId = 'order-doomed';
    const order: DoomedOrder = { doom, orderId, endpoints: shop.endpoints, mysqlUrl: shop.database.url, topic: shop.topic };
    await using producer = startProcess('test/e2e/support/doomed-producer.ts', [JSON.stringify(order)]);
    const { how, stderr } = await producer.ended;
    expect(how, stderr).toBe('SIGKILL');
    // The server rolls a session back when it notices that its client is gone; only what committed stays.
    await expect.poll(() => shop.orderIds(), PATIENCE).toEqual(survivors);
    expect(checked).toHaveLength(0);

    await shop.startWorker();
    const heir = await shop.startPublisher();
    const answers = (): string[] =>
      checked.filter((event) => event.correlationId === orderId && event.resolution !== 'UNKNOWN').map(({ resolution }) => resolution);
    await expect.poll(answers, PATIENCE).toContain(answer);
    // An order after it, all the way to the bank: what was to come of the doomed one has come.
    await heir.publish(shop.placeOrder, anOrder('order-sentinel'));
    const expected = [...survivors, 'order-sentinel'];
    await expect.poll(() => Promise.all(expected.map((id) => shop.isPaid(id))), PATIENCE).toEqual(expected.map(() => true));

    expect(await shop.orderIds()).toEqual(expected);
    expect(Object.fromEntries(shop.bank.effects)).toEqual(Object.fromEntries(expected.map((id) => [id, 1])));
    expect(new Set(answers())).toEqual(new Set([answer]));
  });
});
