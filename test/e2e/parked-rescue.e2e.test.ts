import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHECK_ROUND_PROPERTY } from '../../src/broker/rocketmq/received-message.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import type { TransactionalBroker } from '../../src/broker/transactional-producer.ts';
import { PARKED_TOPIC, parkedHalves } from '../../src/cli/parked-halves.ts';
import { rocketmqAdmin } from '../../src/cli/stack/rocketmq-admin.ts';
import { runCheckback } from '../cli/support/run-checkback.ts';
import { THROWING_CUSTOMER, anOrder } from '../support/publishing-listeners.ts';
import { PATIENT_MS, type Shop, openShop } from '../support/publishing-shop.ts';
import { useStack } from '../support/stack.ts';

const CONFIG = 'test/e2e/support/shop.config.ts';
const PATIENCE = { timeout: 60_000, interval: 200 };

/** A broker whose halves have used up their check budget when they are sent, and whose ENDs are all lost. */
function exhausted(endpoints: string): TransactionalBroker {
  const broker = rocketmq({ endpoints, requestTimeoutMs: PATIENT_MS });
  return {
    startTransactionalProducer: async (options) => {
      const producer = await broker.startTransactionalProducer(options);
      return {
        sendHalf: async (message) => {
          const half = await producer.sendHalf({ ...message, properties: { ...message.properties, [CHECK_ROUND_PROPERTY]: '100000' } });
          return { messageId: half.messageId, end: () => Promise.reject(new Error('lost')) };
        },
        close: (deadlineMs) => producer.close(deadlineMs),
      };
    },
  };
}

async function rescue(shop: Shop, ...flags: string[]): Promise<{ code: number; fates: Record<string, string> }> {
  const env = Object.fromEntries(Object.entries(shop.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
  const args = [
    'reconcile',
    'parked',
    '--config',
    CONFIG,
    '--namesrv',
    useStack().namesrvAddress!,
    '--topic',
    shop.topic,
    '--json',
    '--yes',
  ];
  const { code, stdout, stderr } = await runCheckback([...args, ...flags], env);
  expect(code, stderr).not.toBe(1);
  const lines = stdout.split('\n').filter((line) => line !== '');
  const told = lines.map((line) => JSON.parse(line) as { correlationId: string; fate: string });
  return { code, fates: Object.fromEntries(told.map(({ correlationId, fate }) => [correlationId, fate])) };
}

describe('Half messages the broker has parked', () => {
  it('are sent again where their transactions committed, once, and paid; the others stay', async () => {
    await using shop = await openShop('parked');
    const publisher = await shop.startPublisher({ broker: exhausted(shop.endpoints) });
    const publish = (orderId: string, customerId = 'customer-1') =>
      publisher.publish(shop.placeOrder, anOrder(orderId, { customerId }), { correlationId: orderId });
    await publish('committed');
    await expect(publish('rolled-back', THROWING_CUSTOMER)).rejects.toThrow(/rolled-back fails after its row is written/);
    await publisher.close();
    const stranger = await rocketmq({ endpoints: shop.endpoints }).startTransactionalProducer({
      topics: [shop.topic],
      checkBack: async () => 'UNKNOWN',
    });
    await stranger.sendHalf({
      topic: shop.topic,
      tag: 'placed',
      keys: ['x'],
      properties: { 'checkback-owner': 'somebody else', 'checkback-correlation-id': 'foreign', [CHECK_ROUND_PROPERTY]: '100000' },
      body: Buffer.from('{}'),
    });
    await stranger.close();
    const admin = rocketmqAdmin({ namesrv: useStack().namesrvAddress! });
    const parked = async (): Promise<number> => {
      let count = 0;
      for await (const _half of parkedHalves(admin.readTopic(PARKED_TOPIC, { chunk: 1 }), shop.topic)) count += 1;
      return count;
    };
    await expect.poll(parked, PATIENCE).toBe(3);
    admin.close();

    const others = { 'rolled-back': 'rolled-back', foreign: 'foreign' };
    const page = join(mkdtempSync(join(tmpdir(), 'checkback-parked-')), 'report.html');
    expect(await rescue(shop, '--dry-run', '--chunk', '2', '--html', page)).toEqual({
      code: 2,
      fates: { committed: 'would-resume', ...others },
    });
    expect(readFileSync(page, 'utf8')).toMatch(/would be sent again[^]*<td>committed<\/td>/);
    rmSync(dirname(page), { recursive: true });
    expect(await rescue(shop)).toEqual({ code: 0, fates: { committed: 'resumed', ...others } });
    await shop.startWorker();
    await expect.poll(() => shop.isPaid('committed'), PATIENCE).toBe(true);
    expect(await rescue(shop)).toEqual({ code: 0, fates: { committed: 'resumed-before', ...others } });
    expect(shop.bank.requests.filter(({ method }) => method === 'POST').map(({ idempotencyKey }) => idempotencyKey)).toEqual(['committed']);
  });
});
