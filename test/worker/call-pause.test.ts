import { describe, expect, it } from 'vitest';
import { CallThrottledError, CircuitOpenError } from '../../src/errors.ts';
import type { CircuitSnapshot } from '../../src/gateway/circuit-breaker.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import { onWorkerEvent } from '../../src/worker/diagnostics.ts';
import { settled } from './support/manual-clock.ts';
import { success } from './support/scripted-gateway.ts';
import { harness, orderListener } from './support/worker-harness.ts';

const order = (n: number) => ({ orderId: `o-${n}` });
const PROBE_MS = 5_000;
const open = () => {
  const error = new CircuitOpenError('too many failures', { retryAfterMs: PROBE_MS });
  return { status: 'PENDING' as const, error, retryAfterMs: PROBE_MS, attempt: 0 };
};

/** The circuits of a gateway, turned by hand. */
const circuitOf = () => {
  const listeners = new Set<Parameters<Gateway['onCircuitChange']>[0]>();
  return {
    listen: (listener: Parameters<Gateway['onCircuitChange']>[0]) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    turns: (origin: string, state: CircuitSnapshot['state']) => {
      for (const listener of listeners) listener({ origin, state, sinceMs: 0, nextProbeInMs: undefined, failures: 0 }, 'closed');
    },
    get listeners() {
      return listeners.size;
    },
  };
};

describe('Open circuit', () => {
  it('ends the receiving; what is held waits under its lease and burns no delivery attempt', async () => {
    const { clock, consumer, gateway, start } = harness();
    let isOpen = true;
    gateway.answer = () => (isOpen ? open() : success());
    for (let n = 0; n < 40; n += 1) consumer.send(order(n));
    const worker = start({ concurrency: 4, leaseMs: 10_000, listener: orderListener({ retry: { maxDeliveries: 2 } }) });
    await clock.advance(9 * 60_000);
    expect(consumer.receives).toHaveLength(1);
    expect(consumer.deliveries).toHaveLength(4);
    expect(worker.stats()).toMatchObject({ received: 4, inFlight: 4, retried: 0, parked: 0 });
    isOpen = false;
    await clock.advance(2 * PROBE_MS);
    expect(consumer.acked).toHaveLength(40);
    expect(consumer.deliveries.every(({ attempt }) => attempt === 1)).toBe(true);
    await worker.close();
    expect(clock.timers).toBe(0);
  });

  it('lets those that wait go on as soon as one of them was answered', async () => {
    const { clock, consumer, gateway, start } = harness();
    let probes = 0;
    gateway.answer = (_input, _options, nth) => {
      if (nth <= 8) return open();
      probes += 1;
      return probes === 1 ? success() : probes < 8 && consumer.acked.length === 0 ? open() : success();
    };
    for (let n = 0; n < 8; n += 1) consumer.send(order(n));
    const worker = start({ concurrency: 8 });
    await clock.advance(PROBE_MS * 1.05);
    expect(consumer.acked).toHaveLength(8);
    await worker.close();
  });

  it('receives again only once the one that probes has been answered', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.answer = () => open();
    consumer.send(order(1));
    const worker = start({ concurrency: 8 });
    await settled();
    const receives = consumer.receives.length;
    gateway.hold();
    consumer.send(order(2));
    // The long poll that was out as the circuit opened brings that one; both ask now.
    await clock.advance(PROBE_MS * 2);
    consumer.send(order(3));
    await clock.advance(1_000);
    expect(consumer.receives.length).toBeLessThanOrEqual(receives + 1);
    gateway.letGo();
    gateway.answer = () => success();
    await clock.advance(1_000);
    expect(consumer.acked.toSorted()).toEqual(['m1', 'm2', 'm3']);
    await worker.close();
  });

  it('that the gateway tells of ends the receiving before anything is refused; half-open lets one in', async () => {
    const { clock, consumer, gateway, start } = harness();
    const circuit = circuitOf();
    gateway.hold();
    const worker = start({ concurrency: 4, gateway: Object.assign(gateway, { onCircuitChange: circuit.listen }) });
    await settled();
    circuit.turns('bank', 'open');
    // The long poll that is out ends by itself.
    await clock.advance(60_000);
    for (let n = 0; n < 8; n += 1) consumer.send(order(n));
    await clock.advance(60_000);
    expect(consumer.deliveries).toHaveLength(0);
    circuit.turns('bank', 'half-open');
    await clock.advance(60_000);
    expect(gateway.running).toBe(1);
    expect(consumer.deliveries).toHaveLength(1);
    circuit.turns('bank', 'closed');
    circuit.turns('elsewhere', 'open');
    await clock.advance(100);
    expect(gateway.running).toBe(4);
    gateway.answer = () => success();
    gateway.letGo();
    await worker.close();
    expect(circuit.listeners).toBe(0);
  });

  it('that the gateway says is over wakes what is held', async () => {
    const { consumer, gateway, start } = harness();
    const circuit = circuitOf();
    gateway.answer = (_input, _options, nth) => (nth === 1 ? open() : success());
    consumer.send(order(1));
    const worker = start({ gateway: Object.assign(gateway, { onCircuitChange: circuit.listen }) });
    await settled();
    circuit.turns('bank', 'open');
    await settled();
    expect(consumer.acked).toEqual([]);
    circuit.turns('bank', 'half-open');
    await settled();
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('holds up no drain: what waits is handed back at once', async () => {
    const { clock, consumer, gateway, start } = harness();
    gateway.answer = () => open();
    consumer.send(order(1));
    const worker = start();
    await settled();
    expect(await worker.close()).toEqual({ finished: 0, handedBack: 1, unsettled: 0 });
    expect(clock.timers).toBe(0);
  });

  it('that outlasts the longest handling postpones the message, and never makes it dead', async () => {
    const { clock, consumer, gateway, start } = harness({ maxDeliveries: 1_000 });
    gateway.answer = () => open();
    consumer.send(order(1));
    const worker = start({ maxHandlingMs: 60_000, listener: orderListener({ retry: { maxDeliveries: 2 } }) });
    await clock.advance(3_600_000);
    expect(worker.stats().retried).toBeGreaterThan(5);
    expect(worker.stats()).toMatchObject({ parked: 0, deadLettered: 0 });
    gateway.answer = () => success();
    await clock.advance(600_000);
    expect(consumer.acked).toEqual(['m1']);
    await worker.close();
  });

  it('is told, and its end too', async () => {
    const { clock, consumer, gateway, start } = harness();
    const told: string[] = [];
    const stop = [
      onWorkerEvent('paused', ({ listener }) => told.push(`paused ${listener}`)),
      onWorkerEvent('resumed', () => told.push('resumed')),
    ];
    let isOpen = true;
    gateway.answer = () => (isOpen ? open() : success());
    for (let n = 0; n < 5; n += 1) consumer.send(order(n));
    const worker = start();
    await clock.advance(PROBE_MS * 3);
    expect(told).toEqual(['paused charge-payment']);
    isOpen = false;
    await clock.advance(PROBE_MS * 2);
    expect(told).toEqual(['paused charge-payment', 'resumed']);
    for (const end of stop) end();
    await worker.close();
  });
});

describe('Own limit without room', () => {
  it('lets the delivery wait and try again, while others are received', async () => {
    const { clock, consumer, gateway, start } = harness();
    const error = new CallThrottledError('10 calls a second', { retryAfterMs: 300, limit: 'rate' });
    gateway.answer = (_input, _options, nth) => (nth === 1 ? { status: 'PENDING', error, retryAfterMs: 300, attempt: 0 } : success());
    consumer.send(order(1));
    const worker = start({ concurrency: 2 });
    await settled();
    consumer.send(order(2));
    await clock.advance(100);
    expect(consumer.acked).toEqual(['m2']);
    await clock.advance(250);
    expect(consumer.acked).toEqual(['m2', 'm1']);
    expect(consumer.deliveries).toHaveLength(2);
    await worker.close();
  });
});
