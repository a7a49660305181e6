import { describe, expect, it } from 'vitest';
import { BrokerError } from '../../src/errors.ts';
import { success } from './support/scripted-gateway.ts';
import { settled } from './support/manual-clock.ts';
import { harness } from './support/worker-harness.ts';

describe('Lease', () => {
  it('is renewed before it ends for as long as the handler runs, so nobody else gets the message', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 30_000 });
    await clock.advance(200_000);
    expect(consumer.deliveries).toHaveLength(1);
    expect(consumer.postponements.map(({ ms }) => ms)).toEqual(Array.from({ length: 13 }, () => 30_000));
    gateway.letGo();
    await settled();
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('is not renewed for a handler that is faster than half of it', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.answer = async () => {
      await clock.sleep(14_999);
      return success();
    };
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 30_000 });
    await clock.advance(60_000);
    expect(consumer.postponements).toEqual([]);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
    expect(clock.timers).toBe(0);
  });

  it('survives renewals that fail for a while', async () => {
    const { clock, consumer, gateway, lines, start } = harness();
    gateway.hold();
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 30_000 });
    consumer.fail.change = new BrokerError('proxy is restarting', { retryable: true });
    await clock.advance(20_000);
    delete consumer.fail.change;
    await clock.advance(100_000);
    expect(lines.filter(({ message }) => message.startsWith('lease not renewed'))).toHaveLength(2);
    expect(consumer.deliveries).toHaveLength(1);
    gateway.letGo();
    await settled();
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('that is lost is said once, and the message comes again with the next attempt', async () => {
    const { clock, consumer, gateway, lines, start } = harness();
    gateway.hold();
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 30_000 });
    consumer.fail.change = new BrokerError('proxy is gone', { retryable: true });
    await clock.advance(31_000);
    expect(lines.filter(({ message }) => message.startsWith('lease lost'))).toHaveLength(1);
    expect(consumer.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2]);
    delete consumer.fail.change;
    gateway.letGo();
    await settled();
    // The first handler's receipt is stale; the second one's acknowledges.
    expect(worker.stats()).toMatchObject({ acked: 1, unsettled: 1, inFlight: 0 });
    expect(consumer.backlog).toBe(0);
    await worker.close();
  });

  it('is not fought for when the broker says that the receipt is no longer good', async () => {
    const { clock, consumer, gateway, lines, start } = harness();
    gateway.hold();
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 30_000 });
    consumer.fail.change = new BrokerError('40013', { retryable: false });
    await clock.advance(29_000);
    expect(lines.filter(({ message }) => message.startsWith('lease')).map(({ message }) => message)).toEqual([
      'lease lost: the message may come again while it is still being worked',
    ]);
    await worker.close(0);
  });

  it('ends after maxHandlingMs, with the handler aborted and its message retried', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hold();
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 30_000, maxHandlingMs: 100_000 });
    await clock.advance(99_999);
    expect(gateway.running).toBe(1);
    gateway.answer = () => success();
    await clock.advance(1);
    expect(gateway.calls[0]!.options.signal!.reason).toMatchObject({ name: 'TimeoutError' });
    expect(worker.stats()).toMatchObject({ retried: 1, inFlight: 0 });
    await clock.advance(10_000);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('of a handler that hangs and ignores its signal ends too: another delivery gets the message', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.hang();
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 30_000, maxHandlingMs: 100_000 });
    await clock.advance(99_999);
    gateway.answer = () => success();
    await clock.advance(30_001);
    expect(consumer.acked).toEqual(['m1']);
    const closing = worker.close(0);
    await clock.advance(1_000);
    await closing;
    expect(clock.timers).toBe(0);
  });

  it('is renewed and the message settled one request at a time', async () => {
    const { clock, consumer, gateway, lines, start } = harness({ requestMs: 2_000 });
    gateway.hold();
    consumer.send({ orderId: 'o-1' });
    const worker = start({ leaseMs: 30_000 });
    // The handler ends while its lease is being renewed, from 15 s to 17 s.
    await clock.advance(16_000);
    gateway.letGo();
    await clock.advance(2_999);
    expect(consumer.acked).toEqual([]);
    await clock.advance(1);
    expect(consumer.acked).toEqual(['m1']);
    expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
    await worker.close();
  });
});
