import { describe, expect, it } from 'vitest';
import { hasSaid, openPayments, order, settledBy } from './support/payments.ts';

const PATIENCE = { timeout: 60_000, interval: 100 };
const ORDER = 'order-1';

describe('An order handled in the database', () => {
  it('has one entry each in a storm of a hundred deliveries of each, over two workers', async () => {
    await using payments = await openPayments();
    const orders = Array.from({ length: 10 }, (_, n) => `order-${n}`);
    for (let copy = 0; copy < 100; copy += 1) await Promise.all(orders.map((id) => payments.send(order(id))));
    const task = { ledger: { blockMs: 0 }, concurrency: 8 };
    const workers = [payments.startProcess(task), payments.startProcess(task)];
    await expect.poll(() => settledBy(...workers)['ack'], PATIENCE).toBe(1_000);
    expect(await payments.ledger()).toEqual(Object.fromEntries(orders.map((id) => [id, 1])));
  });

  it('has one entry when its worker is killed after COMMIT and before the acknowledgement', async () => {
    await using payments = await openPayments();
    const doomed = payments.startProcess({ ledger: { blockMs: 0 }, diesBeforeAck: true });
    await payments.send(order(ORDER));
    expect((await doomed.ended).how).toBe('SIGKILL');
    expect(await payments.ledger()).toEqual({ [ORDER]: 1 });
    const heir = payments.startProcess({ ledger: { blockMs: 0 } });
    await expect.poll(() => settledBy(heir), PATIENCE).toEqual({ ack: 1 });
    expect(await payments.ledger()).toEqual({ [ORDER]: 1 });
  });

  it('has one entry when its handler blocks the process for ten seconds, past every renewal', async () => {
    await using payments = await openPayments();
    const blocked = payments.startProcess({ ledger: { blockMs: 10_000 }, leaseMs: 2_000 });
    await expect.poll(() => hasSaid(blocked, 'ready'), PATIENCE).toBe(true);
    await payments.send(order(ORDER));
    await expect.poll(() => hasSaid(blocked, 'received'), PATIENCE).toBe(true);
    const heir = payments.startProcess({ ledger: { blockMs: 0 }, leaseMs: 2_000 });
    // It gets the message while the other still holds the transaction, and waits for that one's end.
    await expect.poll(() => hasSaid(heir, 'received'), PATIENCE).toBe(true);
    await expect.poll(() => settledBy(heir)['ack'], PATIENCE).toBe(1);
    await expect.poll(() => blocked.reports.some(({ kind }) => kind === 'settled'), PATIENCE).toBe(true);
    expect(await payments.ledger()).toEqual({ [ORDER]: 1 });
    blocked.kill('SIGTERM');
    expect((await blocked.ended).how).toBe(0);
  });
});
