import { describe, expect, it } from 'vitest';
import type { CircuitOptions } from '../../src/index.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { openShop } from '../support/publishing-shop.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { PATIENCE, type PooledWorker, openWorkerPool } from './support/worker-pool.ts';

const CIRCUIT = { consecutiveFailures: 5, halfOpenAfterMs: 500, maxHalfOpenAfterMs: 1_000 } satisfies Partial<CircuitOptions>;
const CONCURRENCY = 4;
const WORKERS = ['one', 'two'];
/** Openings of each circuit before the outage ends: by then four probes have failed. */
const OPENINGS = 5;

/** A call that was let through before the circuit opened: those that opened it, and those under way beside the last of them. */
const MOST_BEFORE_OPEN = CIRCUIT.consecutiveFailures + CONCURRENCY - 1;

/** One probe a pause, each of at least half its ceiling. */
function mostProbes(outageMs: number): number {
  let probes = 0;
  for (let at = 0, ceilingMs = CIRCUIT.halfOpenAfterMs; ; probes += 1) {
    at += ceilingMs / 2;
    if (at > outageMs) return probes;
    ceilingMs = Math.min(CIRCUIT.maxHalfOpenAfterMs, ceilingMs * 2);
  }
}

describe('Worker processes while the bank refuses every connection', () => {
  it('pause, ask it by single probes, use up no deliveries, bury nothing, and drain when it is back', async () => {
    await using shop = await openShop('circuit');
    const wire = shop.use(await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(shop.bank.origin).port) }));
    const rows = (sql: string): Promise<Record<string, unknown>[]> => shop.orm.em.getConnection().execute(sql);
    const count = async (what: string): Promise<number> => Number((await rows(`select count(*) as n from ${what}`))[0]?.['n']);
    await rows('create table delivery (id int auto_increment primary key, order_id varchar(64) not null, attempt int not null)');
    const pool = openWorkerPool(shop, 'test/e2e/support/circuit.config.ts', {
      CHECKBACK_ORIGINS: `bank=http://${wire.host}:${wire.port}`,
      CHECKBACK_TEST_CIRCUIT: JSON.stringify(CIRCUIT),
    });
    const workers = await Promise.all(WORKERS.map((name) => pool.start(name, { flags: ['--concurrency', String(CONCURRENCY)] })));
    const publisher = await shop.startPublisher();
    const place = async (orders: readonly string[]): Promise<void> => {
      for (const orderId of orders) await publisher.publish(shop.placeOrder, anOrder(orderId));
    };
    const before = Array.from({ length: 6 }, (_, index) => `before-${index}`);
    await place(before);
    await expect.poll(() => count(`orders where status = 'PAID'`), PATIENCE).toBe(before.length);

    const attemptsBefore = await count('external_call_attempt');
    const refusedAt = performance.now();
    await wire.refuse();
    const during = Array.from({ length: 40 }, (_, index) => `during-${String(index).padStart(2, '0')}`);
    await place(during);
    const said = ({ log }: PooledWorker, text: string): number => log().filter(({ msg }) => String(msg).startsWith(text)).length;
    const openings = (): number => Math.min(...workers.map((worker) => said(worker, 'circuit of bank is open')));
    await expect.poll(openings, PATIENCE).toBeGreaterThanOrEqual(OPENINGS);
    // Each says so about itself, every few seconds; between two pauses a probe may just be under way.
    const seenOpen = new Set<number>();
    const open = async (): Promise<number[]> => {
      for (const { pid, circuits } of (await pool.status()).workers)
        if (circuits.some(({ origin, state }) => origin === 'bank' && state === 'open')) seenOpen.add(pid);
      return [...seenOpen].toSorted();
    };
    await expect.poll(open, PATIENCE).toEqual(workers.map(({ pid }) => pid).toSorted());

    const { workers: paused, deadLetters } = await pool.status();
    const attempts = (await count('external_call_attempt')) - attemptsBefore;
    const outageMs = performance.now() - refusedAt;
    expect(attempts).toBeGreaterThanOrEqual(WORKERS.length * CIRCUIT.consecutiveFailures);
    expect(attempts).toBeLessThanOrEqual(WORKERS.length * (MOST_BEFORE_OPEN + mostProbes(outageMs)));
    // What they have taken waits with them, and all the rest with the broker.
    for (const { stats } of paused) expect(stats.inFlight).toBeLessThanOrEqual(CONCURRENCY);
    const received = paused.reduce((sum, { stats }) => sum + stats.received, 0);
    expect(received).toBeLessThanOrEqual(before.length + WORKERS.length * (CONCURRENCY + MOST_BEFORE_OPEN));
    expect(deadLetters.open).toBe(0);
    expect(await count(`orders where status = 'PAID'`)).toBe(before.length);
    for (const worker of workers) expect(said(worker, 'paused: its institution')).toBeGreaterThanOrEqual(1);

    await wire.pass();
    const orders = [...before, ...during];
    await expect.poll(() => count(`orders where status = 'PAID'`), PATIENCE).toBe(orders.length);
    expect(Object.fromEntries(shop.bank.effects)).toEqual(Object.fromEntries(orders.map((orderId) => [orderId, 1])));
    expect(await count('dead_letter')).toBe(0);
    expect(await count('external_call')).toBe(orders.length);
    // Only a call that failed before its worker's circuit opened has used up a delivery, at most one in each worker.
    const deliveries = (await rows('select order_id, attempt from delivery')).map(({ attempt }) => Number(attempt));
    expect(deliveries).toHaveLength(orders.length);
    expect(Math.max(...deliveries)).toBeLessThanOrEqual(1 + WORKERS.length);
    expect(deliveries.filter((attempt) => attempt > 1).length).toBeLessThanOrEqual(WORKERS.length * MOST_BEFORE_OPEN);

    for (const worker of workers) {
      expect(said(worker, 'resumed')).toBeGreaterThanOrEqual(1);
      expect(worker.log().filter(({ alert }) => alert === 'circuit-opened')).toMatchObject([
        { level: 50, subject: 'bank', origin: 'bank' },
      ]);
      worker.kill('SIGTERM');
      expect((await worker.ended).how).toBe(0);
    }
  });
});
