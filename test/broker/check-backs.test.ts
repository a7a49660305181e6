import { afterEach, describe, expect, it, vi } from 'vitest';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type * as service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { CheckBackAnswers } from '../../src/broker/rocketmq/check-back-answers.ts';
import type { CheckBack, Resolution } from '../../src/broker/transactional-producer.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { bareProducer, guard } from '../support/broker-bare-client.ts';
import { startFakeProxy, wireMessage } from '../support/broker-fake-proxy.ts';
import { eventually, startProducer, TOPIC } from './harness.ts';

const { TransactionResolution, TransactionSource } = definitions;

describe('check-backs', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  const later = <T extends { close(ms?: number): Promise<void> }>(closable: T): T => {
    cleanups.push(() => closable.close(1_000));
    return closable;
  };

  it.each([
    ['COMMIT', TransactionResolution.COMMIT],
    ['ROLLBACK', TransactionResolution.ROLLBACK],
  ] as const)('are answered %s to the proxy that asked, with the half as its sender made it', async (resolution, code) => {
    const proxy = later(await startFakeProxy());
    const checkBack = vi.fn<CheckBack>(async () => resolution);
    later(await startProducer(proxy.endpoints, { checkBack }));
    proxy.checkBack({ topic: TOPIC, transactionId: 'T', properties: { 'checkback-tx': 'tx-1', __transactionId__: 'T' }, round: '3' });
    await eventually(() => expect(proxy.requests('endTransaction')).toHaveLength(1));
    const [end] = proxy.requests<service.EndTransactionRequest>('endTransaction');
    expect(end!.toObject()).toMatchObject({ transactionId: 'T', resolution: code, source: TransactionSource.SOURCE_SERVER_CHECK });
    expect(checkBack.mock.calls[0]![0]).toMatchObject({ topic: TOPIC, round: 3, properties: { 'checkback-tx': 'tx-1' } });
  });

  it('answered with nothing send nothing; the bare client sends an END that uses up the question', async () => {
    const proxy = later(await startFakeProxy());
    const bare = bareProducer(proxy.endpoints, [TOPIC], async () => undefined);
    cleanups.push(guard(bare));
    await bare.startup();
    proxy.checkBack({ topic: TOPIC, transactionId: 'T' });
    await eventually(() => expect(proxy.requests('endTransaction')).toHaveLength(1));
    expect(proxy.requests<service.EndTransactionRequest>('endTransaction')[0]!.getResolution()).toBe(0);
    await bare.shutdown();

    const warn = vi.fn();
    const answers: unknown[] = [undefined, 'MAYBE', 'COMMIT'];
    const checkBack = (async () => answers.shift()) as CheckBack;
    later(await startProducer(proxy.endpoints, { checkBack, logger: { ...silentLogger, warn } }));
    for (const transactionId of ['T1', 'T2', 'T3']) proxy.checkBack({ topic: TOPIC, transactionId });
    await eventually(() => expect(proxy.requests('endTransaction')).toHaveLength(2));
    expect(proxy.requests<service.EndTransactionRequest>('endTransaction')[1]!.getTransactionId()).toBe('T3');
    expect(warn.mock.calls.map(([fields]) => (fields as { error: Error }).error.message)).toEqual([
      'a check-back answers COMMIT, ROLLBACK or UNKNOWN, not undefined',
      'a check-back answers COMMIT, ROLLBACK or UNKNOWN, not MAYBE',
    ]);
  });

  it('of one half are answered once, however often it is asked at once; the bare client checks and answers each time', async () => {
    const proxy = later(await startFakeProxy());
    const gate = Promise.withResolvers<void>();
    const bareCheck = vi.fn(async () => {
      await gate.promise;
      return TransactionResolution.COMMIT;
    });
    const bare = bareProducer(proxy.endpoints, [TOPIC], bareCheck);
    cleanups.push(guard(bare));
    const checkBack = vi.fn<CheckBack>(async () => {
      await gate.promise;
      return 'COMMIT';
    });
    await bare.startup();
    later(await startProducer(proxy.endpoints, { checkBack }));
    for (let asked = 1; asked <= 3; asked += 1)
      proxy.checkBack({ topic: TOPIC, transactionId: 'T', properties: { 'checkback-tx': 'one' } });
    // Another container's half under the same broker id is another question.
    proxy.checkBack({ topic: TOPIC, transactionId: 'T', properties: { 'checkback-tx': 'two' } });
    await eventually(() => expect(bareCheck).toHaveBeenCalledTimes(4));
    await eventually(() => expect(checkBack).toHaveBeenCalledTimes(2));
    gate.resolve();
    await eventually(() => expect(proxy.requests('endTransaction')).toHaveLength(4 + 2));
  });

  it('are not answered once the producer is closing, and their signal aborts', async () => {
    const proxy = later(await startFakeProxy());
    const asked = Promise.withResolvers<AbortSignal>();
    const answer = Promise.withResolvers<Resolution>();
    const producer = await startProducer(proxy.endpoints, {
      checkBack: (_half, signal) => {
        asked.resolve(signal);
        return answer.promise;
      },
    });
    proxy.checkBack({ topic: TOPIC, transactionId: 'T' });
    const signal = await asked.promise;
    const closing = producer.close();
    expect(signal.aborted).toBe(true);
    answer.resolve('COMMIT');
    await closing;
    expect(proxy.requests('endTransaction')).toHaveLength(0);
  });
});

describe('CheckBackAnswers', () => {
  const question = (transactionId: string): service.RecoverOrphanedTransactionCommand =>
    new serviceMessages.RecoverOrphanedTransactionCommand()
      .setTransactionId(transactionId)
      .setMessage(wireMessage({ topic: TOPIC, messageId: transactionId, properties: { 'checkback-tx': `tx-${transactionId}` } }));
  const answersOf = (checkBack: CheckBack, limits: { concurrency?: number; deadlineMs?: number } = {}) => {
    const warn = vi.fn();
    const end = vi.fn(async () => {});
    const answers = new CheckBackAnswers({ checkBack, logger: { ...silentLogger, warn }, concurrency: 2, deadlineMs: 10_000, ...limits });
    return { answers, end, warn };
  };

  it('runs no more than its limit at once; the others follow', async () => {
    const gates: (() => void)[] = [];
    const { answers, end } = answersOf(() => new Promise((resolve) => gates.push(() => resolve('COMMIT'))));
    const all = ['T1', 'T2', 'T3', 'T4'].map((id) => answers.answer(question(id), end));
    await eventually(() => expect(gates).toHaveLength(2));
    gates[0]!();
    await all[0];
    await eventually(() => expect(gates).toHaveLength(3));
    gates[1]!();
    await eventually(() => expect(gates).toHaveLength(4));
    for (const open of gates) open();
    await eventually(() => expect(end).toHaveBeenCalledTimes(4));
  });

  it('drops a check-back that ignores its deadline, and goes on', async () => {
    const checkBack = vi.fn<CheckBack>(({ messageId }) => (messageId === 'T1' ? new Promise(() => {}) : Promise.resolve('COMMIT')));
    const { answers, end, warn } = answersOf(checkBack, { concurrency: 1, deadlineMs: 50 });
    await answers.answer(question('T1'), end);
    expect(warn).toHaveBeenCalledTimes(1);
    await answers.answer(question('T2'), end);
    expect(end.mock.calls.map((call: readonly unknown[]) => call[1])).toEqual(['T2']);
  });

  it('asks nobody about what has waited as long as an answer may take', async () => {
    const deadlineMs = 20;
    const checkBack = vi.fn<CheckBack>(async () => 'COMMIT');
    const { answers, warn } = answersOf(checkBack, { concurrency: 1, deadlineMs });
    const ended = Promise.withResolvers<void>();
    const end = vi.fn(() => ended.promise);
    const first = answers.answer(question('T1'), end);
    await answers.answer(question('T2'), end);
    const lateAt = performance.now() + deadlineMs;
    await eventually(() => expect(performance.now()).toBeGreaterThan(lateAt));
    ended.resolve();
    await first;
    await answers.answer(question('T3'), end);
    expect(checkBack.mock.calls.map(([{ messageId }]) => messageId)).toEqual(['T1', 'T3']);
    expect([end.mock.calls.length, warn.mock.calls.length]).toEqual([2, 0]);
  });

  it('answers the newest question first when there are too many, and each half by its newest question', async () => {
    const asked: string[] = [];
    const first = Promise.withResolvers<Resolution>();
    const { answers, end } = answersOf(
      ({ messageId }) => {
        asked.push(messageId);
        return asked.length === 1 ? first.promise : Promise.resolve('COMMIT');
      },
      { concurrency: 1 },
    );
    void answers.answer(question('T1'), end);
    await eventually(() => expect(asked).toEqual(['T1']));
    for (const id of ['T2', 'T3', 'T4']) await answers.answer(question(id), end);
    // The next round: another question about the same half.
    await answers.answer(question('T2').setTransactionId('T2 again'), end);
    first.resolve('COMMIT');
    await eventually(() => expect(end).toHaveBeenCalledTimes(4));
    expect(asked).toEqual(['T1', 'T2', 'T4', 'T3']);
    expect(end.mock.calls.map((call: readonly unknown[]) => call[1])).toEqual(['T1', 'T2 again', 'T4', 'T3']);
  });

  it('survives a check-back that throws, an END that fails, and a half that cannot be decoded', async () => {
    const thrown = answersOf(() => Promise.reject(new Error('database gone')));
    await thrown.answers.answer(question('T'), thrown.end);
    const failed = answersOf(async () => 'COMMIT');
    await failed.answers.answer(question('T'), () => Promise.reject(new Error('proxy gone')));
    const broken = question('T').setMessage(wireMessage({ topic: TOPIC, messageId: 'T', fault: 'broken gzip' }));
    await failed.answers.answer(broken, failed.end);
    expect([thrown.warn.mock.calls.length, failed.warn.mock.calls.length]).toEqual([1, 2]);
    // And is asked again afterwards.
    await failed.answers.answer(question('T'), failed.end);
    expect(failed.end).toHaveBeenCalledTimes(1);
  });
});
