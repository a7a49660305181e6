import { describe, expect, it } from 'vitest';
import { type RefundShop, type Standing, openRefundShop } from './support/refunds.ts';
import { PATIENCE } from './support/worker-pool.ts';

const NOTHING: Standing = { call: 'PENDING', order: 'PLACED', rejections: 0, refunds: 0 };
const PAID: Standing = { call: 'SUCCESS', order: 'PAID', rejections: 0, refunds: 0 };
const REFUNDED: Standing = { call: 'FAIL', order: 'REJECTED', rejections: 1, refunds: 1 };

const allAs = (orders: readonly string[], standing: Standing): Record<string, Standing> =>
  Object.fromEntries(orders.map((orderId) => [orderId, standing]));
const oneEach = (orders: readonly string[]): Record<string, number> => Object.fromEntries(orders.map((orderId) => [orderId, 1]));

/** Places one more order, which is refused, and waits for its refund: what was published before it has been delivered. */
async function sentinel({ delivered, place }: RefundShop): Promise<void> {
  await place('sentinel');
  await delivered.until('sentinel');
}

describe('Worker processes with a compensating event', () => {
  it('publish it with each FAIL, once: at the bank’s word, at a status check’s, and at a person’s', async () => {
    await using refunds = await openRefundShop();
    const { shop, pool } = refunds;
    const accepted = ['accepted-1', 'accepted-2', 'accepted-3'];
    const refused = ['refused-1', 'refused-2', 'refused-3', 'refused-4'];
    shop.bank.follow(({ method, path, idempotencyKey }) => {
      if (method === 'GET' && path.endsWith('/late'))
        return { kind: 'answer', status: 200, headers: { 'content-type': 'application/json' }, body: '{"status":"REJECTED"}' };
      if (method === 'GET' && path.endsWith('/nobody-knows')) return { kind: 'answer', status: 404, body: 'no such page' };
      if (method !== 'POST') return undefined;
      // The request arrives, and no answer leaves.
      if (['late', 'nobody-knows'].includes(idempotencyKey)) return { kind: 'stop-reading' };
      return accepted.includes(idempotencyKey) ? { kind: 'ok' } : { kind: 'reject' };
    });
    const workers = await Promise.all(['one', 'two'].map((name) => pool.start(name)));
    for (const orderId of [...accepted, ...refused, 'late', 'nobody-knows']) await refunds.place(orderId);

    const settled = { ...allAs(accepted, PAID), ...allAs([...refused, 'late'], REFUNDED) };
    const unknown: Standing = { ...NOTHING, call: 'UNKNOWN' };
    await expect.poll(() => refunds.standing(), PATIENCE).toEqual({ ...settled, 'nobody-knows': unknown });

    interface Listed {
      readonly calls: readonly { readonly idempotencyKey: string; readonly listener: string }[];
    }
    await expect
      .poll(async () => (await pool.json<Listed>('unknown', 'list')).calls, PATIENCE)
      .toMatchObject([{ idempotencyKey: 'nobody-knows', listener: 'charge-payment' }]);
    const told = workers.flatMap((worker) => worker.log()).filter(({ alert }) => alert === 'unknown-needs-review');
    expect(told).toMatchObject([{ subject: 'charge-payment', idempotencyKey: 'nobody-knows' }]);
    const said = ['unknown', 'resolve', 'charge-payment', 'nobody-knows', 'FAIL', '--reason', 'asked the bank', '--by', 'Ada', '--yes'];
    expect(await pool.run(...said)).toMatchObject({ code: 0, stdout: 'charge-payment nobody-knows is FAIL\n' });
    await expect.poll(() => refunds.standing(), PATIENCE).toEqual({ ...settled, 'nobody-knows': REFUNDED });
    // Said once more, it changes nothing and publishes nothing.
    expect((await pool.run(...said)).code).toBe(1);

    await sentinel(refunds);
    expect(refunds.messages()).toEqual(oneEach([...refused, 'late', 'nobody-knows', 'sentinel']));
    await expect.poll(() => refunds.standing(), PATIENCE).toEqual({ ...settled, 'nobody-knows': REFUNDED, sentinel: REFUNDED });
    for (const worker of workers) {
      worker.kill('SIGTERM');
      expect((await worker.ended).how).toBe(0);
    }
  });

  it.each([
    { when: 'between the half message and COMMIT', doom: 'half-sent', left: NOTHING, answer: 'ROLLBACK' },
    { when: 'between COMMIT and the end of the half message', doom: 'committed', left: { ...REFUNDED, refunds: 0 }, answer: 'COMMIT' },
  ])('killed $when, leave FAIL and event both or neither, and another has both', async ({ doom, left, answer }) => {
    await using refunds = await openRefundShop();
    const { shop, pool } = refunds;
    shop.bank.follow(({ method }) => (method === 'POST' ? { kind: 'reject' } : undefined));
    // With one place it polls for nothing while it works: the proxy would give the redelivery to the long poll of a dead process.
    const doomed = await pool.start('doomed', { flags: ['--concurrency', '1'], env: { CHECKBACK_TEST_DOOM: doom } });
    await refunds.place('order');
    expect((await doomed.ended).how).toBe('SIGKILL');
    // The server may take a moment to see that its client is gone.
    await expect.poll(() => refunds.standing(), PATIENCE).toEqual({ order: left });
    expect(refunds.messages()).toEqual({});

    const heir = await pool.start('heir');
    await expect.poll(() => refunds.standing(), PATIENCE).toEqual({ order: REFUNDED });
    const answers = (): unknown[] =>
      heir
        .log()
        .filter(({ listener, msg }) => listener === 'refund-order' && String(msg).startsWith('check-back answered'))
        .map(({ resolution }) => resolution);
    await expect.poll(answers, PATIENCE).toContain(answer);
    await sentinel(refunds);
    expect(refunds.messages()).toEqual(oneEach(['order', 'sentinel']));
    await expect.poll(() => refunds.standing(), PATIENCE).toEqual({ order: REFUNDED, sentinel: REFUNDED });
    expect(shop.bank.requests.filter(({ method, idempotencyKey }) => method === 'POST' && idempotencyKey === 'order')).toHaveLength(1);
  });
});
