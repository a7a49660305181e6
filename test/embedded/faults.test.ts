import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CheckBack, CheckedHalfMessage, Resolution } from '../../src/broker/transactional-producer.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { EmbeddedBroker, ManualClock } from '../../src/testing.ts';

const eventually = <T>(attempt: () => T | Promise<T>): Promise<T> => vi.waitFor(attempt, { timeout: 20_000, interval: 10 });
const order = (note = 'x') => ({ topic: 'orders', tag: 't', keys: ['k'], properties: { note }, body: Buffer.from('{}') });

describe('Faults of an embedded broker', () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });

  async function start(answer: (half: CheckedHalfMessage) => Resolution = () => 'UNKNOWN') {
    const clock = new ManualClock();
    const broker = await EmbeddedBroker.start({ clock, topics: { orders: 'TRANSACTION' }, groups: { bank: { retryMaxTimes: 3 } } });
    cleanups.push(() => broker.close());
    const client = rocketmq({ endpoints: broker.endpoints });
    const asked: CheckedHalfMessage[] = [];
    const checkBack: CheckBack = async (half) => {
      asked.push(half);
      return answer(half);
    };
    const producer = await client.startTransactionalProducer({ topics: ['orders'], checkBack });
    cleanups.push(() => producer.close());
    const consumer = await client.startConsumer({ topic: 'orders', group: 'bank' });
    cleanups.push(() => consumer.close());
    return { broker, clock, producer, consumer, asked };
  }

  it('lose the ENDs a predicate names, until it is taken back', async () => {
    const { broker, producer } = await start();
    const lose = broker.faults.loseEnds(({ resolution }) => resolution === 'COMMIT');
    await (await producer.sendHalf(order('a'))).end('COMMIT');
    await (await producer.sendHalf(order('b'))).end('ROLLBACK');
    lose();
    await (await producer.sendHalf(order('c'))).end('COMMIT');
    expect(broker.inspect.halfMessages().map(({ properties }) => properties['note'])).toEqual(['a']);
    expect(broker.inspect.stats).toMatchObject({ lostEnds: 1, commits: 1, rollbacks: 1 });
  });

  it('delay ops, so that a committed half is asked about', async () => {
    const { broker, clock, producer, asked } = await start();
    broker.faults.delayOps(60_000);
    const half = await producer.sendHalf(order());
    await half.end('COMMIT');
    await clock.advance(30_000);
    await eventually(() => expect(asked).toMatchObject([{ messageId: half.messageId, round: 1 }]));
  });

  it('forget transactions: an END finds nothing, the check-back still comes', async () => {
    const { broker, clock, producer, asked } = await start();
    const half = await producer.sendHalf(order());
    broker.faults.forgetTransactions();
    await expect(half.end('COMMIT')).rejects.toMatchObject({ code: 50001 });
    await clock.advance(30_000);
    await eventually(() => expect(asked).toHaveLength(1));
  });

  it('cut telemetry silently: rounds are counted and nobody hears them; with an error the client comes back', async () => {
    const { broker, clock, producer, asked } = await start();
    await producer.sendHalf(order());
    broker.faults.cutTelemetry({ silently: true });
    await clock.advance(60_000);
    expect(broker.inspect.halfMessages()).toMatchObject([{ rounds: 2 }]);
    expect(asked).toEqual([]);
    broker.faults.cutTelemetry();
    await eventually(() => expect(broker.inspect.stats.clients).toBe(2));
    await clock.advance(30_000);
    await eventually(() => expect(asked).toMatchObject([{ round: 3 }]));
  });

  it('ask clients to reconnect, which they survive', async () => {
    const { broker, clock, producer, asked } = await start();
    await producer.sendHalf(order());
    broker.faults.askToReconnect();
    await eventually(() => expect(broker.inspect.stats.clients).toBe(2));
    await clock.advance(30_000);
    await eventually(() => expect(asked).toHaveLength(1));
  });

  it('make a delivery twice', async () => {
    const { broker, producer, consumer } = await start();
    broker.faults.duplicateDeliveries();
    const half = await producer.sendHalf(order());
    await half.end('COMMIT');
    const deliveries = [...(await consumer.receive(2, 30_000))];
    while (deliveries.length < 2) deliveries.push(...(await consumer.receive(2, 30_000)));
    expect(deliveries.map(({ message }) => message.messageId)).toEqual([half.messageId, half.messageId]);
    for (const { ack } of deliveries) await ack();
    expect(broker.inspect.queued('orders', 'bank')).toBe(0);
  });

  it('ask a check-back twice', async () => {
    const { broker, clock, producer } = await start();
    broker.faults.duplicateChecks();
    await producer.sendHalf(order());
    await clock.advance(30_000);
    expect(broker.inspect.stats).toMatchObject({ checks: 2, unaskedChecks: 0 });
    expect(broker.inspect.halfMessages()).toMatchObject([{ rounds: 1 }]);
  });

  it('reject sends: refused, or stored although the answer is an error', async () => {
    const { broker, producer } = await start();
    broker.faults.rejectSends({ times: 1 });
    await expect(producer.sendHalf(order('a'))).rejects.toMatchObject({ cause: { code: 42900 } });
    broker.faults.rejectSends({ times: 1, stored: true, code: 'HA_NOT_AVAILABLE' });
    await expect(producer.sendHalf(order('b'))).rejects.toMatchObject({ cause: { code: 50002 } });
    await producer.sendHalf(order('c'));
    expect(broker.inspect.halfMessages().map(({ properties }) => properties['note'])).toEqual(['b', 'c']);
  });

  it('make every answer late, by the clock of the broker', async () => {
    const { broker, clock, producer } = await start();
    broker.faults.latencyMs(1_000);
    let isSent = false;
    const sending = producer.sendHalf(order()).then(() => (isSent = true));
    await eventually(() => expect(broker.inspect.halfMessages()).toHaveLength(1));
    await clock.advance(999);
    expect(isSent).toBe(false);
    broker.faults.latencyMs(0);
    await clock.advance(1);
    await sending;
  });

  it('hand a message back that nobody waits for any more when its late answer is due', async () => {
    const { broker, clock, producer, consumer } = await start();
    await (await producer.sendHalf(order())).end('COMMIT');
    broker.faults.latencyMs(1_000);
    const enough = new AbortController();
    const polling = consumer.receive(1, 600_000, enough.signal).catch(() => 'given up');
    await eventually(() => expect(broker.inspect.deliveries()).toHaveLength(1));
    enough.abort(new Error('enough'));
    expect(await polling).toBe('given up');
    broker.faults.latencyMs(0);
    // The cancellation is on its way to the broker: another request on the connection comes after it.
    await producer.sendHalf(order());
    await clock.advance(1_000);
    await clock.advance(1_000);
    const [again] = await consumer.receive(1, 30_000);
    expect(again?.message.deliveryAttempt).toBe(2);
  });

  it('crash and recover on the same port: halves are there, the proxy remembers none of them', async () => {
    const { broker, clock, producer, asked } = await start();
    const half = await producer.sendHalf(order());
    await broker.faults.crash();
    await expect(half.end('COMMIT')).rejects.toMatchObject({ code: 14 });
    await broker.faults.recover();
    await eventually(() => expect(half.end('COMMIT')).rejects.toMatchObject({ code: 50001 }));
    await eventually(() => expect(broker.inspect.stats.clients).toBe(2));
    await clock.advance(30_000);
    await eventually(() => expect(asked).toMatchObject([{ messageId: half.messageId }]));
  });

  it('end with restore()', async () => {
    const { broker, producer } = await start();
    broker.faults.rejectSends();
    broker.faults.loseEnds(() => true);
    broker.faults.restore();
    await (await producer.sendHalf(order())).end('COMMIT');
    expect(broker.inspect.stats).toMatchObject({ commits: 1, lostEnds: 0 });
  });
});
