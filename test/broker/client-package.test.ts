import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as index from 'rocketmq-client-nodejs';
import { PushSubscriptionSettings } from 'rocketmq-client-nodejs/dist/consumer/PushSubscriptionSettings.js';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import { describe, expect, it, vi } from 'vitest';
import { clientLogger } from '../../src/broker/rocketmq/client-logger.ts';
import { TransactionResolution } from '../../src/broker/rocketmq/client-package.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { bareProducer, guard } from '../support/broker-bare-client.ts';
import { startFakeProxy } from '../support/broker-fake-proxy.ts';
import { startProducer, TOPIC } from './harness.ts';
import { runAdapterChild, runBareChild } from './run-child.ts';

describe('client package', () => {
  it('keeps the resolutions to itself, where the adapter finds them', () => {
    expect('TransactionResolution' in index).toBe(false);
    expect(TransactionResolution).toMatchObject({ COMMIT: 1, ROLLBACK: 2 });
  });
});

describe('PushConsumer of the bare client', () => {
  it('does not understand the retry policy a broker sends by default, so that a failed message comes again at once; nothing of ours uses it', () => {
    const settings = new PushSubscriptionSettings(
      '',
      'client',
      definitions.ClientType.PUSH_CONSUMER,
      new index.Endpoints('a:1'),
      'g',
      1_000,
      new Map(),
    );
    const policy = new definitions.RetryPolicy().setMaxAttempts(17).setCustomizedBackoff(new definitions.CustomizedBackoff());
    settings.sync(new definitions.Settings().setSubscription(new definitions.Subscription()).setBackoffPolicy(policy));
    expect(settings.getRetryPolicy()).toBeUndefined();

    const folder = join(import.meta.dirname, '../../src/broker/rocketmq');
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')))
      expect(readFileSync(join(folder, file), 'utf8'), file).not.toContain('PushConsumer');
  });
});

describe('client logger', () => {
  const logger = () => ({ debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() });

  it('has the method without which the bare client sends no ROLLBACK, and not the one by which it closes what it does not own', async () => {
    const proxy = await startFakeProxy();
    const withoutDebug = { info() {}, warn() {}, error() {}, close: vi.fn() };
    const bare = bareProducer(proxy.endpoints, [TOPIC], undefined, withoutDebug);
    const silence = guard(bare);
    await bare.startup();
    const transaction = bare.beginTransaction();
    await bare.send({ topic: TOPIC, body: Buffer.from('{}') }, transaction);
    await expect(transaction.rollback()).rejects.toThrow(/debug/);
    await bare.shutdown();
    expect(withoutDebug.close).toHaveBeenCalledTimes(1);
    await silence();
    await proxy.close();

    const ours = clientLogger(silentLogger);
    expect(ours.debug).toBeTypeOf('function');
    expect(ours.close).toBeUndefined();
  });

  it('passes printf lines on as pino does: fields first, then a sentence, with the errors in it', () => {
    const log = logger();
    const ours = clientLogger(log);
    ours.info('clientId=%s, topics=%d', 'c1', 2);
    ours.warn('heartbeat failed', new Error('gone'));
    ours.error(new Error('bad'));
    expect(log.debug.mock.calls).toEqual([[{ component: 'rocketmq-client' }, 'clientId=c1, topics=2']]);
    expect(log.warn.mock.calls).toEqual([
      [{ component: 'rocketmq-client' }, 'heartbeat failed gone'],
      [{ component: 'rocketmq-client' }, 'bad'],
    ]);
    expect(log.error).not.toHaveBeenCalled();
  });

  it('leaves the home directory alone, where the bare client writes a log of its own', async () => {
    const home = mkdtempSync(join(tmpdir(), 'checkback-home-'));
    const proxy = await startFakeProxy();
    try {
      expect(await runBareChild('default-logger', proxy.endpoints, { HOME: home })).toMatchObject({ code: 0 });
      expect(readdirSync(join(home, 'logs', 'rocketmq'))).toEqual(['rocketmq_client_nodejs.log']);
      rmSync(join(home, 'logs'), { recursive: true });
      expect(await runAdapterChild('idle', proxy.endpoints, { env: { HOME: home } })).toMatchObject({ code: 0, stderr: '' });
      expect(readdirSync(home)).toEqual([]);
    } finally {
      rmSync(home, { recursive: true });
      await proxy.close();
    }
  });

  it('says nothing on standard output or error itself', async () => {
    const proxy = await startFakeProxy();
    const spies = (['log', 'info', 'warn', 'error'] as const).map((name) => vi.spyOn(console, name));
    const producer = await startProducer(proxy.endpoints, { logger: logger() });
    await proxy.close();
    await producer.close(500);
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });
});
