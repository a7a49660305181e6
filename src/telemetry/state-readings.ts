import type { Attributes, Meter, ObservableGauge } from '@opentelemetry/api';
import { systemClock } from '../shared/clock.ts';
import type { Clock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { LabelGuard } from './label-guard.ts';
import { type MetricDefinition, STATE_METRICS, type StateMetric } from './metric-list.ts';
import type { StateReading, StateSource } from './state-source.ts';

interface Series {
  readonly metric: StateMetric;
  readonly labels: Readonly<Record<string, string>>;
}

/** How long whoever asks for metrics waits for one source. */
export const READ_LIMIT_MS = 2_000;

/** Reads the sources whenever somebody collects metrics, side by side, each within `limitMs`; returns how to stop. */
export function observeStates(
  meter: Meter,
  sources: readonly StateSource[],
  clock: Clock = systemClock,
  limitMs = READ_LIMIT_MS,
): () => void {
  const guard = new LabelGuard();
  const gauges = new Map<string, ObservableGauge>(
    Object.entries<MetricDefinition>(STATE_METRICS).map(([name, { unit, help }]) => [
      name,
      meter.createObservableGauge(name, { unit, description: help }),
    ]),
  );
  const readers = sources.map((source) => ({ source, read: cachedRead(source, clock, limitMs), told: new Map<string, Series>() }));
  const observe = async (result: { observe(gauge: ObservableGauge, value: number, labels: Attributes): void }): Promise<void> => {
    await Promise.all(
      readers.map(async ({ source, read, told }) => {
        const readings = await read().catch(() => undefined);
        const missing = new Map(told);
        result.observe(gauges.get('checkback.state.readable')!, readings === undefined ? 0 : 1, { source: source.name });
        for (const { metric, value, labels: given } of readings ?? []) {
          const labels = guard.bounded(given);
          const key = `${metric} ${Object.values(labels).join(' ')}`;
          told.set(key, { metric, labels });
          missing.delete(key);
          result.observe(gauges.get(metric)!, value, labels);
        }
        // What is not observed is told by its last value for ever. A count that is not there is 0; one nobody can read is none.
        for (const { metric, labels } of missing.values())
          result.observe(gauges.get(metric)!, readings === undefined ? Number.NaN : 0, labels);
      }),
    );
  };
  const observables = [...gauges.values()];
  meter.addBatchObservableCallback(observe, observables);
  return () => meter.removeBatchObservableCallback(observe, observables);
}

function cachedRead(source: StateSource, clock: Clock, limitMs: number): () => Promise<readonly StateReading[]> {
  let last: { readonly at: number; readonly readings: readonly StateReading[] } | undefined;
  let running: Promise<readonly StateReading[]> | undefined;
  const begin = async (): Promise<readonly StateReading[]> => {
    const readings = await source.read();
    last = { at: clock.now(), readings };
    return readings;
  };
  return () => {
    if (last !== undefined && clock.now() - last.at < source.cacheMs) return Promise.resolve(last.readings);
    // One that hangs is waited for again, not joined by others.
    if (running === undefined) {
      const begun = begin().finally(() => (running = undefined));
      running = begun;
      begun.catch(() => {});
    }
    return withDeadline(running, limitMs, () => new Error(`${source.name} was not read within ${limitMs} ms`));
  };
}
