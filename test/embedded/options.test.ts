import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { DEFAULT_EMBEDDED_BROKER_SETTINGS, EmbeddedBroker } from '../../src/testing.ts';

describe('EmbeddedBroker.start', () => {
  it.each([
    [{ port: 70_000 }, 'port must be 0 to 65535, got 70000'],
    [{ seed: 0.5 }, 'seed must be a whole number, got 0.5'],
    [{ topics: { t: 'QUEUE' as never } }, 'topic "t" must take one of TRANSACTION, NORMAL, DELAY, FIFO, MIXED, got QUEUE'],
    [{ groups: { g: { retryMaxTimes: -1 } } }, 'retryMaxTimes of group "g" must be a whole number of at least 0, got -1'],
    [{ settings: { transactionTimeOutMs: 0 } }, 'transactionTimeOutMs must be a whole number of at least 1, got 0'],
    [{ settings: { transactionTimeout: 1 } as never }, 'unknown setting "transactionTimeout"'],
    [{ settings: { maxLongPollMs: 1 } }, 'maxLongPollMs must be at least minLongPollMs (5000), got 1'],
    [{ settings: { maxInvisibleMs: 1 } }, 'maxInvisibleMs must be at least minInvisibleMs (10000), got 1'],
  ])('refuses %j', async (options, sentence) => {
    const starting = EmbeddedBroker.start(options);
    await expect(starting).rejects.toBeInstanceOf(RangeError);
    await expect(starting).rejects.toThrow(sentence);
  });

  it('refuses a port that somebody has', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await expect(EmbeddedBroker.start({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    server.close();
  });

  it('behaves by default as a RocketMQ nobody has configured', () => {
    expect(DEFAULT_EMBEDDED_BROKER_SETTINGS).toMatchObject({
      transactionTimeOutMs: 6_000,
      transactionCheckIntervalMs: 30_000,
      transactionCheckMax: 15,
      transactionDataExpireMs: 30_000,
      opBatchIntervalMs: 3_000,
      minInvisibleMs: 10_000,
    });
  });

  it('closes twice, and makes nothing afterwards', async () => {
    const broker = await EmbeddedBroker.start();
    await broker.close();
    await broker.close();
    expect(() => broker.createTopic('t', 'NORMAL')).toThrow('the embedded broker is closed');
    await expect(broker.faults.recover()).rejects.toThrow('the embedded broker is closed');
  });
});
