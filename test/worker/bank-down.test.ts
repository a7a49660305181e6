import { describe, expect, it } from 'vitest';
import { ConnectError, CircuitOpenError } from '../../src/errors.ts';
import { CircuitBreaker } from '../../src/gateway/circuit-breaker.ts';
import { DEFAULT_CIRCUIT_OPTIONS } from '../../src/gateway/circuit-options.ts';
import type { CallOutcome } from '../../src/gateway/gateway.ts';
import { success } from './support/scripted-gateway.ts';
import { harness, orderListener } from './support/worker-harness.ts';

const TEN_MINUTES = 600_000;

describe('A bank that is down for ten minutes', () => {
  it('is hardly asked, is found by a probe once it is up, and the whole backlog drains; nothing is dead', async () => {
    const { clock, consumer, gateway, start } = harness();
    const changes = new Set<(now: { origin: string; state: 'closed' | 'open' | 'half-open' }) => void>();
    const circuit = new CircuitBreaker('bank', DEFAULT_CIRCUIT_OPTIONS, clock, (now) => {
      for (const change of changes) change(now);
    });
    let isUp = false;
    let asked = 0;
    let alsoAsking = 0;
    let mostAtOnceWhileHalfOpen = 0;
    const attempts = new Map<string, number>();
    gateway.answer = async (_input, { idempotencyKey }): Promise<CallOutcome<unknown>> => {
      const pass = circuit.enter();
      if (typeof pass === 'number') {
        return { status: 'PENDING', error: new CircuitOpenError('open', { retryAfterMs: pass }), retryAfterMs: pass, attempt: 0 };
      }
      const isProbe = circuit.snapshot().state === 'half-open';
      alsoAsking += 1;
      if (isProbe) mostAtOnceWhileHalfOpen = Math.max(mostAtOnceWhileHalfOpen, alsoAsking);
      if (!isUp) asked += 1;
      await clock.sleep(20);
      alsoAsking -= 1;
      pass(isUp ? { kind: 'alive' } : { kind: 'failed' });
      if (isUp) return success();
      const attempt = (attempts.get(idempotencyKey) ?? 0) + 1;
      attempts.set(idempotencyKey, attempt);
      return { status: 'PENDING', error: new ConnectError('refused'), retryAfterMs: undefined, attempt };
    };
    for (let n = 0; n < 500; n += 1) consumer.send({ orderId: `o-${n}` });
    const onCircuitChange = (change: Parameters<typeof changes.add>[0]) => {
      changes.add(change);
      return () => void changes.delete(change);
    };
    const worker = start({
      concurrency: 16,
      gateway: Object.assign(gateway, { onCircuitChange }) as never,
      listener: orderListener({ retry: { maxDeliveries: 4 } }),
      deadLetter: async () => expect.unreachable('nothing is given up'),
    });

    await clock.advance(TEN_MINUTES);
    // What trips the circuit, those already under way then, and a probe a few times a minute.
    expect(asked).toBeLessThan(100);
    expect(mostAtOnceWhileHalfOpen).toBe(1);
    expect(Math.max(...consumer.deliveries.map(({ attempt }) => attempt))).toBeLessThanOrEqual(3);

    isUp = true;
    await clock.advance(TEN_MINUTES);
    expect(consumer.backlog).toBe(0);
    expect(consumer.acked).toHaveLength(500);
    expect(consumer.deadLetters).toEqual([]);
    await worker.close();
    circuit.close();
    expect(clock.timers).toBe(0);
  });
});
