import { describe, expect, it } from 'vitest';
import { LocalTransactionError, rocketmq } from '../../src/index.ts';
import { queryMysql } from '../../src/cli/stack/mysql-probe.ts';
import { watchedBroker } from '../support/publishing-brokers.ts';
import { deliveredUntil } from '../support/publishing-deliveries.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { openShop } from '../support/publishing-shop.ts';
import { useStack } from '../support/stack.ts';

const PATIENCE = { timeout: 60_000, interval: 250 };

/** Small on purpose: the whole road once, on whatever stack this run has. .ci/run takes it through testcontainers. */
describe('An order on this stack', () => {
  it.runIf(useStack().kind === 'docker')('has a real MySQL, 8.4 or newer, for a database', async () => {
    const [row] = (await queryMysql(useStack().mysqlUrl, 'SELECT VERSION() version, @@version_comment comment')) as {
      version: string;
      comment: string;
    }[];
    expect(`${row?.version} ${row?.comment}`).not.toMatch(/mariadb/i);
    expect(Number.parseFloat(row?.version ?? '0')).toBeGreaterThanOrEqual(8.4);
  });

  it('is placed, delivered and paid', async () => {
    await using shop = await openShop('docker_paid');
    await shop.startWorker();
    const publisher = await shop.startPublisher();
    await publisher.publish(shop.placeOrder, anOrder('paid'));
    await expect.poll(() => shop.isPaid('paid'), PATIENCE).toBe(true);
    expect(await shop.orderIds()).toEqual(['paid']);
  });

  it('whose local transaction declines is never delivered, and one whose END is lost is, after a check-back', async () => {
    await using shop = await openShop('docker_checked');
    using checked = collectEvents('checked');
    const consumer = await shop.startConsumer();
    const broker = watchedBroker(rocketmq({ endpoints: shop.endpoints }), () => true);
    const publisher = await shop.startPublisher({ broker });
    await expect(publisher.publish(shop.placeOrder, anOrder('declined', { amountMinor: 0 }))).rejects.toBeInstanceOf(LocalTransactionError);
    const { transactionId } = await publisher.publish(shop.placeOrder, anOrder('endless'));
    // The declined one was asked about first: had it been let through, it would be here.
    const declined = broker.halves[0]?.properties['checkback-tx'];
    await expect.poll(() => checked.filter((event) => event.transactionId === declined).at(-1)?.resolution, PATIENCE).toBe('ROLLBACK');
    expect(await deliveredUntil(consumer, 'endless')).not.toContain('declined');
    expect(checked.find((event) => event.transactionId === transactionId)).toMatchObject({ resolution: 'COMMIT' });
    expect(await shop.orderIds()).toEqual(['endless']);
  });
});
