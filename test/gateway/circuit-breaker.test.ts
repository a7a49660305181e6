import { beforeEach, describe, expect, it } from 'vitest';
import { CircuitBreaker, type CircuitPass } from '../../src/gateway/circuit-breaker.ts';
import { resolveCircuitOptions } from '../../src/gateway/circuit-options.ts';
import type { CircuitVerdict } from '../../src/gateway/circuit-verdict.ts';
import { ManualClock } from '../worker/support/manual-clock.ts';

const ALIVE: CircuitVerdict = { kind: 'alive' };
const FAILED: CircuitVerdict = { kind: 'failed' };

describe('CircuitBreaker', () => {
  let clock: ManualClock;
  let circuit: CircuitBreaker;
  let changes: string[];

  beforeEach(() => {
    clock = new ManualClock();
    changes = [];
    circuit = open({ consecutiveFailures: 3, halfOpenAfterMs: 1_000, maxHalfOpenAfterMs: 8_000 });
  });

  const open = (options: Parameters<typeof resolveCircuitOptions>[1]): CircuitBreaker =>
    new CircuitBreaker('bank', resolveCircuitOptions('circuit', options), clock, ({ state }, before) => changes.push(`${before} ${state}`));
  const enter = (): CircuitPass => {
    const pass = circuit.enter();
    if (typeof pass === 'number') throw new Error(`refused for ${pass} ms`);
    return pass;
  };
  const make = (...verdicts: CircuitVerdict[]): void => {
    for (const verdict of verdicts) enter()(verdict);
  };

  it('opens after so many failures in a row, and then refuses until the probe is due', () => {
    make(FAILED, FAILED);
    expect(circuit.snapshot()).toEqual({ origin: 'bank', state: 'closed', sinceMs: 0, nextProbeInMs: undefined, failures: 2 });
    make(FAILED);
    const { state, nextProbeInMs = 0 } = circuit.snapshot();
    expect(state).toBe('open');
    expect(nextProbeInMs).toBeGreaterThanOrEqual(500);
    expect(nextProbeInMs).toBeLessThanOrEqual(1_000);
    expect(circuit.enter()).toBe(nextProbeInMs);
    expect(circuit.refusal()).toBe(nextProbeInMs);
  });

  it('counts anew after an answer, and not at all what says nothing', () => {
    make(FAILED, FAILED, ALIVE, FAILED, FAILED, { kind: 'silent' }, { kind: 'busy', retryAfterMs: 5 });
    expect(circuit.snapshot()).toMatchObject({ state: 'closed', failures: 2 });
    make(FAILED);
    expect(circuit.snapshot().state).toBe('open');
  });

  it('opens when too large a share fails, however they are spread', () => {
    circuit = open({ consecutiveFailures: 100, failureRate: 0.4, sampleSize: 10, minimumCalls: 10 });
    for (let nth = 0; nth < 3; nth += 1) make(ALIVE, FAILED, ALIVE);
    expect(circuit.snapshot().state).toBe('closed');
    make(FAILED);
    expect(circuit.snapshot().state).toBe('closed');
    make(FAILED);
    expect(circuit.snapshot().state).toBe('open');
  });

  it('becomes half-open by time alone, and lets one probe through at a time', async () => {
    make(FAILED, FAILED, FAILED);
    await clock.advance(1_000);
    expect(changes).toEqual(['closed open', 'open half-open']);
    const probe = enter();
    expect(circuit.enter()).toBe(1_000);
    probe({ kind: 'silent' });
    // It said nothing, so the next one is the probe.
    enter()(ALIVE);
    expect(circuit.snapshot()).toMatchObject({ state: 'closed', failures: 0 });
    expect(changes.at(-1)).toBe('half-open closed');
  });

  it('doubles the pause with each failed probe up to its ceiling, and begins anew once closed', async () => {
    make(FAILED, FAILED, FAILED);
    for (const atMost of [1_000, 2_000, 4_000, 8_000, 8_000]) {
      const { nextProbeInMs = 0 } = circuit.snapshot();
      expect(nextProbeInMs).toBeGreaterThanOrEqual(atMost / 2);
      expect(nextProbeInMs).toBeLessThanOrEqual(atMost);
      await clock.advance(nextProbeInMs);
      make(FAILED);
    }
    await clock.advance(8_000);
    make(ALIVE, FAILED, FAILED, FAILED);
    expect(circuit.snapshot().nextProbeInMs).toBeLessThanOrEqual(1_000);
  });

  it('leaves an institution alone for as long as it asks a probe to, up to its ceiling', async () => {
    make(FAILED, FAILED, FAILED);
    await clock.advance(1_000);
    make({ kind: 'busy', retryAfterMs: 5_000 });
    expect(circuit.snapshot()).toMatchObject({ state: 'open', nextProbeInMs: 5_000 });
    await clock.advance(5_000);
    make({ kind: 'busy', retryAfterMs: 3_600_000 });
    expect(circuit.snapshot().nextProbeInMs).toBe(8_000);
  });

  it('ignores what calls of an earlier state come to', async () => {
    const [late, later] = [enter(), enter()];
    make(FAILED, FAILED, FAILED);
    late(ALIVE);
    expect(circuit.snapshot().state).toBe('open');
    await clock.advance(1_000);
    later(ALIVE);
    expect(circuit.snapshot().state).toBe('half-open');
    expect(typeof circuit.enter()).toBe('function');
  });

  it('probes although the clock was set back', async () => {
    const start = clock.now();
    make(FAILED, FAILED, FAILED);
    clock.now = () => start - 3_600_000;
    await clock.advance(1_000);
    expect(circuit.snapshot().state).toBe('half-open');
  });

  it('keeps no timer while closed, nor after close()', async () => {
    make(ALIVE, FAILED);
    expect(clock.timers).toBe(0);
    make(FAILED, FAILED);
    expect(clock.timers).toBe(1);
    circuit.close();
    await clock.advance(0);
    expect(clock.timers).toBe(0);
  });

  it.each([
    ['consecutiveFailures', 0],
    ['sampleSize', 1.5],
    ['minimumCalls', 101],
    ['failureRate', 1],
    ['failureRate', Number.NaN],
    ['halfOpenAfterMs', 0],
    ['maxHalfOpenAfterMs', 4_999],
  ])('refuses %s %d', (name, value) => {
    const resolve = () => resolveCircuitOptions('origins.bank.circuit', { [name]: value });
    expect(resolve).toThrow(RangeError);
    expect(resolve).toThrow(new RegExp(`^origins\\.bank\\.circuit\\.${name} must .* got ${value}$`));
  });
});
