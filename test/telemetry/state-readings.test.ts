import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { afterEach, describe, expect, it } from 'vitest';
import { observeStates } from '../../src/telemetry/state-readings.ts';
import type { StateReading, StateSource } from '../../src/telemetry/state-source.ts';

const ready = (value: number): StateReading => ({ metric: 'checkback.ready', value, labels: {} });

describe('States', () => {
  const stops: (() => unknown)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  /** What is collected: values by metric and label. */
  function observed(source: Partial<StateSource> & Pick<StateSource, 'read'>, limitMs?: number) {
    const reader = new PrometheusExporter({ preventServerStart: true });
    const provider = new MeterProvider({ readers: [reader] });
    let now = 0;
    const clock = { now: () => now, sleep: () => Promise.resolve() };
    stops.push(observeStates(provider.getMeter('test'), [{ name: 'database', cacheMs: 1_000, ...source }], clock, limitMs));
    stops.push(() => provider.shutdown());
    const collect = async (): Promise<Record<string, number>> => {
      const { resourceMetrics } = await reader.collect();
      const points = resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
        metrics.flatMap(({ descriptor, dataPoints }) => dataPoints.map(({ value }) => [descriptor.name, value as number] as const)),
      );
      return Object.fromEntries(points);
    };
    return { collect, pass: (ms: number) => void (now += ms) };
  }

  it('are read again when what is known has become too old, and not before', async () => {
    let reads = 0;
    const { collect, pass } = observed({ read: () => [ready((reads += 1))] });
    expect(await collect()).toEqual({ 'checkback.state.readable': 1, 'checkback.ready': 1 });
    pass(999);
    expect(await collect()).toMatchObject({ 'checkback.ready': 1 });
    pass(1);
    expect(await collect()).toMatchObject({ 'checkback.ready': 2 });
  });

  it('are no number while they cannot be read', async () => {
    let fails = false;
    const read = async () => {
      if (fails) throw new Error('away');
      return [ready(1)];
    };
    const { collect, pass } = observed({ read });
    expect(await collect()).toEqual({ 'checkback.state.readable': 1, 'checkback.ready': 1 });
    fails = true;
    pass(1_000);
    expect(await collect()).toEqual({ 'checkback.state.readable': 0, 'checkback.ready': Number.NaN });
    fails = false;
    expect(await collect()).toEqual({ 'checkback.state.readable': 1, 'checkback.ready': 1 });
  });

  it('are 0 when there is nothing of them any more', async () => {
    let readings: readonly StateReading[] = [ready(3)];
    const { collect, pass } = observed({ read: () => readings });
    expect(await collect()).toMatchObject({ 'checkback.ready': 3 });
    readings = [];
    pass(1_000);
    expect(await collect()).toEqual({ 'checkback.state.readable': 1, 'checkback.ready': 0 });
  });

  it('keep nobody waiting: a read that hangs is not begun a second time', async () => {
    let reads = 0;
    const gate = Promise.withResolvers<readonly StateReading[]>();
    const { collect } = observed({ read: () => ((reads += 1), gate.promise) }, 20);
    expect(await collect()).toEqual({ 'checkback.state.readable': 0 });
    expect(await collect()).toEqual({ 'checkback.state.readable': 0 });
    expect(reads).toBe(1);
    gate.resolve([ready(1)]);
    await expect.poll(collect).toEqual({ 'checkback.state.readable': 1, 'checkback.ready': 1 });
  });
});
