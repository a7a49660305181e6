import { describe, expect, it } from 'vitest';
import type { SagaInstance, SagaSummary } from '../../src/index.ts';
import { openFulfilment, sagaIdOf } from './support/fulfilment.ts';
import { PATIENCE, type PooledWorker } from './support/worker-pool.ts';

const FORWARD = ['stock', 'payment', 'shipment'];
const THERE_AND_BACK = ['stock', 'payment', 'payment:compensation', 'stock:compensation'];

describe('Worker processes with a saga', () => {
  it('fulfil placed orders, undo in reverse those the carrier refuses, each effect once however often a message comes', async () => {
    await using shop = await openFulfilment();
    const fine = ['fine-1', 'fine-2', 'fine-3', 'fine-4'];
    const refused = ['refused-1', 'refused-2', 'refused-3'];
    const orders = [...fine, ...refused];
    const TIMES = 3;
    shop.treat(({ orderId, step }) => (refused.includes(orderId) && step === 'shipment' ? { kind: 'reject' } : undefined));
    // An outcome that a busy machine makes unknown is asked after within this test.
    const flags = ['--status-check-after-ms', '500'];
    const workers = await Promise.all(['one', 'two'].map((name) => shop.pool.start(name, { flags })));
    await Promise.all(orders.map((orderId) => shop.place(orderId, TIMES)));

    const expected = Object.fromEntries(orders.map((orderId) => [sagaIdOf(orderId), fine.includes(orderId) ? 'COMPLETED' : 'COMPENSATED']));
    await expect.poll(() => shop.sagas(), PATIENCE).toEqual(expected);
    const acked = async (): Promise<number> => (await shop.pool.status()).workers.reduce((sum, { stats }) => sum + stats.acked, 0);
    await expect.poll(acked, PATIENCE).toBeGreaterThanOrEqual(TIMES * orders.length);

    expect(await shop.sagas()).toEqual(expected);
    for (const orderId of fine) expect([await shop.orderStatus(orderId), shop.effects(orderId)], orderId).toEqual(['PAID', FORWARD]);
    for (const orderId of refused)
      expect([await shop.orderStatus(orderId), shop.effects(orderId)], orderId).toEqual(['REJECTED', THERE_AND_BACK]);
    expect(shop.repeated()).toEqual([]);
    expect((await shop.pool.status()).deadLetters.open).toBe(0);

    // What a person sees agrees.
    const listed = async (status: string): Promise<string[]> =>
      (await shop.pool.json<SagaSummary[]>('saga', 'list', '--status', status)).map(({ id }) => id).toSorted();
    expect(await listed('COMPLETED')).toEqual(fine.map(sagaIdOf));
    expect(await listed('COMPENSATED')).toEqual(refused.map(sagaIdOf));
    expect(await shop.pool.run('saga', 'list')).toMatchObject({ code: 0, stdout: '', stderr: 'no saga is PARKED\n' });
    const shown = await shop.pool.json<SagaInstance>('saga', 'show', sagaIdOf('refused-1'));
    expect(shown).toMatchObject({ status: 'COMPENSATED', error: expect.stringContaining('shipment') as string });
    expect(shown.steps.map(({ name, direction, status }) => `${name} ${direction} ${status}`).toSorted()).toEqual([
      'order action DONE',
      'order compensation DONE',
      'payment action DONE',
      'payment compensation DONE',
      'shipment action FAILED',
      'stock action DONE',
      'stock compensation DONE',
    ]);
    const screen = await shop.pool.run('saga', 'show', sagaIdOf('fine-1'));
    expect(screen.stdout).toMatch(/^saga order-fine-1 {2}fulfil-order v1 {2}COMPLETED /);
    expect(screen.stdout.match(/ action .* DONE /g)).toHaveLength(5);

    for (const worker of workers) {
      worker.kill('SIGTERM');
      expect((await worker.ended).how).toBe(0);
    }
  });

  it('killed in the middle of a payment and of a refund, leave both to the others; nothing is asked for twice', async () => {
    await using shop = await openFulfilment();
    /** Which worker was in the middle of which order. */
    const caught = new Map<string, string>();
    shop.treat(({ orderId, step, worker, isFirst }) => {
      if (orderId === 'back' && step === 'shipment') return { kind: 'reject' };
      if (!isFirst || !['forward payment', 'back payment:compensation'].includes(`${orderId} ${step}`)) return undefined;
      caught.set(orderId, worker);
      // The money moves, and nobody is told.
      return { kind: 'never-answer' };
    });
    const start = (name: string): Promise<PooledWorker> => shop.pool.start(name, { flags: ['--status-check-after-ms', '500'] });
    const workers = await Promise.all(['one', 'two'].map(start));
    const killThatOf = async (order: 'forward' | 'back'): Promise<void> => {
      await shop.place(order);
      await expect.poll(() => caught.has(order), PATIENCE).toBe(true);
      const worker = workers.find(({ name }) => name === caught.get(order))!;
      worker.kill('SIGKILL');
      expect((await worker.ended).how).toBe('SIGKILL');
    };
    await killThatOf('forward');
    workers.push(await start('three'));
    await killThatOf('back');

    await expect.poll(() => shop.sagas(), PATIENCE).toEqual({ [sagaIdOf('forward')]: 'COMPLETED', [sagaIdOf('back')]: 'COMPENSATED' });
    expect([await shop.orderStatus('forward'), shop.effects('forward')]).toEqual(['PAID', FORWARD]);
    expect([await shop.orderStatus('back'), shop.effects('back')]).toEqual(['REJECTED', THERE_AND_BACK]);
    expect(shop.repeated()).toEqual([]);
  });
});
