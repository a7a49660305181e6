import { describe, expect, it } from 'vitest';
import { BrokerError } from '../../src/errors.ts';
import { hasSaid, openPayments, order, settledBy } from './support/payments.ts';

const PATIENCE = { timeout: 60_000, interval: 100 };
const ORDER = 'order-1';

describe('An order delivered more than once', () => {
  it('has one effect when two workers get it at the same time', async () => {
    await using payments = await openPayments();
    payments.bank.follow(() => ({ kind: 'slow', delayMs: 1_000 }));
    const workers = [payments.startProcess({ concurrency: 1 }), payments.startProcess({ concurrency: 1 })];
    await expect.poll(() => workers.every((worker) => hasSaid(worker, 'ready')), PATIENCE).toBe(true);
    await Promise.all([payments.send(order(ORDER)), payments.send(order(ORDER))]);
    await expect.poll(() => settledBy(...workers)['ack'], PATIENCE).toBe(2);
    expect(Object.fromEntries(payments.bank.effects)).toEqual({ [ORDER]: 1 });
    expect(await payments.statuses()).toEqual({ [ORDER]: 'SUCCESS' });
    expect(await payments.calls.attempts()).toBe(1);
  });

  it('has one effect each in a storm of a hundred deliveries of each, over two workers', async () => {
    await using payments = await openPayments();
    const orders = Array.from({ length: 10 }, (_, n) => `order-${n}`);
    for (let copy = 0; copy < 100; copy += 1) await Promise.all(orders.map((id) => payments.send(order(id))));
    const workers = [payments.startProcess({ concurrency: 32 }), payments.startProcess({ concurrency: 32 })];
    await expect.poll(() => settledBy(...workers)['ack'], PATIENCE).toBe(1_000);
    expect(Object.fromEntries(payments.bank.effects)).toEqual(Object.fromEntries(orders.map((id) => [id, 1])));
    expect(await payments.statuses()).toEqual(Object.fromEntries(orders.map((id) => [id, 'SUCCESS'])));
    expect(await payments.calls.attempts()).toBe(10);
    // Both had their part.
    for (const worker of workers) expect(settledBy(worker)['ack']).toBeGreaterThan(0);
  });

  it('has one effect when its worker is killed after the answer and before the acknowledgement', async () => {
    await using payments = await openPayments();
    const doomed = payments.startProcess({ diesBeforeAck: true });
    await payments.send(order(ORDER));
    expect((await doomed.ended).how).toBe('SIGKILL');
    expect(payments.bank.effects.get(ORDER)).toBe(1);
    const heir = payments.startProcess();
    await expect.poll(() => settledBy(heir), PATIENCE).toEqual({ ack: 1 });
    expect(Object.fromEntries(payments.bank.effects)).toEqual({ [ORDER]: 1 });
    expect(await payments.statuses()).toEqual({ [ORDER]: 'SUCCESS' });
    expect(await payments.calls.attempts()).toBe(1);
  });

  it('is UNKNOWN and not paid again when its worker is killed with the request under way', async () => {
    await using payments = await openPayments();
    payments.bank.follow([{ kind: 'never-answer' }]);
    const doomed = payments.startProcess();
    await payments.send(order(ORDER));
    await payments.bank.seen(({ method }) => method === 'POST');
    await expect.poll(() => payments.bank.effects.get(ORDER), PATIENCE).toBe(1);
    doomed.kill('SIGKILL');
    await doomed.ended;
    const heir = payments.startProcess();
    await expect.poll(() => settledBy(heir)['ack'], PATIENCE).toBe(1);
    expect(Object.fromEntries(payments.bank.effects)).toEqual({ [ORDER]: 1 });
    expect(await payments.statuses()).toEqual({ [ORDER]: 'UNKNOWN' });
    expect(await payments.calls.unaudited()).toEqual([]);
  });

  it('has one effect when its worker is stopped past its lease and then goes on', async () => {
    await using payments = await openPayments();
    payments.bank.follow([{ kind: 'slow', delayMs: 500 }]);
    const stopped = payments.startProcess({ leaseMs: 2_000 });
    await payments.send(order(ORDER));
    await payments.bank.seen(({ method }) => method === 'POST');
    stopped.kill('SIGSTOP');
    const heir = payments.startProcess({ leaseMs: 2_000 });
    await expect.poll(() => hasSaid(heir, 'received'), PATIENCE).toBe(true);
    stopped.kill('SIGCONT');
    await expect.poll(() => settledBy(heir)['ack'], PATIENCE).toBe(1);
    await expect.poll(() => settledBy(stopped)['ack'] ?? settledBy(stopped)['unsettled'], PATIENCE).toBe(1);
    expect(Object.fromEntries(payments.bank.effects)).toEqual({ [ORDER]: 1 });
    expect(Object.keys(await payments.statuses())).toEqual([ORDER]);
    expect(await payments.calls.unaudited()).toEqual([]);
  });

  it('is delivered once while it is worked for longer than it is invisible', async () => {
    await using payments = await openPayments();
    payments.bank.follow([{ kind: 'slow', delayMs: 7_000 }]);
    const workers = [payments.startProcess({ leaseMs: 3_000 }), payments.startProcess({ leaseMs: 3_000 })];
    await payments.send(order(ORDER));
    await expect.poll(() => settledBy(...workers), PATIENCE).toEqual({ ack: 1 });
    expect(workers.flatMap(({ reports }) => reports.filter(({ kind }) => kind === 'received'))).toHaveLength(1);
    expect(Object.fromEntries(payments.bank.effects)).toEqual({ [ORDER]: 1 });
  });

  it('has one effect when its acknowledgement is lost', async () => {
    await using payments = await openPayments();
    let isLost = true;
    const worker = await payments.startHere({}, (consumer) => {
      const receive = consumer.receive.bind(consumer);
      consumer.receive = async (...args) => {
        const batch = await receive(...args);
        for (const delivery of batch) {
          const ack = delivery.ack.bind(delivery);
          delivery.ack = async () => {
            if (isLost) {
              isLost = false;
              throw new BrokerError('the connection is gone', { retryable: true });
            }
            await ack();
          };
        }
        return batch;
      };
    });
    await payments.send(order(ORDER));
    await expect.poll(() => worker.stats(), PATIENCE).toMatchObject({ received: 2, acked: 1, unsettled: 1 });
    expect(Object.fromEntries(payments.bank.effects)).toEqual({ [ORDER]: 1 });
    expect(await payments.calls.attempts()).toBe(1);
  });
});
