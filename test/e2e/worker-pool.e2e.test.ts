import { describe, expect, it } from 'vitest';
import { hasSaid, openPayments, order, settledBy } from './support/payments.ts';
import type { Payments, PaymentWorker } from './support/payments.ts';

const PATIENCE = { timeout: 90_000, interval: 200 };
const ids = (count: number): string[] => Array.from({ length: count }, (_, n) => `order-${String(n).padStart(4, '0')}`);
const acked = (...workers: PaymentWorker[]): number => settledBy(...workers)['ack'] ?? 0;
const sendAll = async (payments: Payments, orders: readonly string[]): Promise<void> => {
  for (let from = 0; from < orders.length; from += 50)
    await Promise.all(orders.slice(from, from + 50).map((id) => payments.send(order(id))));
};

/** One effect each and a known end each, or UNKNOWN with at most one effect where a worker died in the middle of a call. */
const expectEachOnce = async (payments: Payments, orders: readonly string[], mostUnknown: number): Promise<void> => {
  const statuses = await payments.statuses();
  expect(Object.keys(statuses)).toEqual([...orders]);
  const unknown = orders.filter((id) => statuses[id] === 'UNKNOWN');
  expect(unknown.length).toBeLessThanOrEqual(mostUnknown);
  for (const id of orders) {
    const effects = payments.bank.effects.get(id) ?? 0;
    if (statuses[id] === 'UNKNOWN') expect(effects, id).toBeLessThanOrEqual(1);
    else expect([statuses[id], effects], id).toEqual(['SUCCESS', 1]);
  }
  expect(await payments.calls.unaudited()).toEqual([]);
};

describe('A pool of workers', () => {
  it('shares the load; one that comes takes its part, one that is killed leaves nothing lying', async () => {
    await using payments = await openPayments();
    payments.bank.follow(() => ({ kind: 'slow', delayMs: 100 }));
    const orders = ids(600);
    await sendAll(payments, orders);
    const first = [payments.startProcess(), payments.startProcess()];
    await expect.poll(() => first.every((worker) => acked(worker) >= 20), PATIENCE).toBe(true);
    const late = payments.startProcess();
    await expect.poll(() => acked(late), PATIENCE).toBeGreaterThanOrEqual(20);
    first[0]!.kill('SIGKILL');
    await first[0]!.ended;
    // Every order has a row with an end once nothing is left to be delivered.
    const open = async (): Promise<number> => {
      const statuses = await payments.statuses();
      return orders.filter((id) => statuses[id] === undefined || statuses[id] === 'PENDING').length;
    };
    await expect.poll(open, PATIENCE).toBe(0);
    await expectEachOnce(payments, orders, 8);
  });
});

describe('A worker told to stop under load', () => {
  it('finishes what it has begun, receives no more, and ends by itself; the rest is the others’', async () => {
    await using payments = await openPayments();
    payments.bank.follow(() => ({ kind: 'slow', delayMs: 300 }));
    const orders = ids(200);
    await sendAll(payments, orders);
    const leaving = payments.startProcess();
    await expect.poll(() => acked(leaving), PATIENCE).toBeGreaterThanOrEqual(10);
    leaving.kill('SIGTERM');
    const { how, reports, stderr } = await leaving.ended;
    expect(how, stderr).toBe(0);
    expect(reports.find(({ kind }) => kind === 'drained')).toMatchObject({ unsettled: 0 });
    const received = reports.filter(({ kind }) => kind === 'received').length;
    expect(reports.filter(({ kind }) => kind === 'settled')).toHaveLength(received);
    const heir = payments.startProcess({ concurrency: 32 });
    await expect.poll(() => acked(leaving, heir), PATIENCE).toBe(orders.length);
    await expectEachOnce(payments, orders, 0);
  });

  it('ends at once when it is told twice; what it had begun comes to the others and is paid once', async () => {
    await using payments = await openPayments();
    payments.bank.follow((_request, nth) => (nth <= 30 ? { kind: 'slow', delayMs: 100 } : { kind: 'slow', delayMs: 3_000 }));
    const orders = ids(60);
    await sendAll(payments, orders);
    const leaving = payments.startProcess();
    await expect.poll(() => acked(leaving), PATIENCE).toBeGreaterThanOrEqual(10);
    leaving.kill('SIGTERM');
    leaving.kill('SIGINT');
    expect((await leaving.ended).how).toBe(130);
    payments.bank.follow([]);
    const heir = payments.startProcess({ concurrency: 32 });
    await expect.poll(() => hasSaid(heir, 'ready'), PATIENCE).toBe(true);
    const open = async (): Promise<number> => {
      const statuses = await payments.statuses();
      return orders.filter((id) => statuses[id] === undefined || statuses[id] === 'PENDING').length;
    };
    await expect.poll(open, PATIENCE).toBe(0);
    await expectEachOnce(payments, orders, 8);
  });
});
