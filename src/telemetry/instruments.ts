import type { Attributes, Meter } from '@opentelemetry/api';
import { LabelGuard } from './label-guard.ts';
import { EVENT_METRICS, type EventMetric, type LabelsOf, type MetricDefinition } from './metric-list.ts';

/** Adds to a counter, moves an up-and-down counter, sets a gauge, or records a time; labels are bounded. */
export type Measure = <Name extends EventMetric>(name: Name, value: number, labels: LabelsOf<Name>) => void;

/** Makes every instrument of the list at once, so that a metric that has not moved is known. */
export function createInstruments(meter: Meter): Measure {
  const guard = new LabelGuard();
  const instruments = new Map(
    Object.entries<MetricDefinition>(EVENT_METRICS).map(([name, definition]) => [name, instrument(meter, name, definition)]),
  );
  return (name, value, labels) => instruments.get(name)!(value, guard.bounded(labels));
}

function instrument(
  meter: Meter,
  name: string,
  { kind, unit, help, buckets }: MetricDefinition,
): (value: number, labels: Attributes) => void {
  const options = { unit, description: help };
  if (kind === 'histogram') {
    const histogram = meter.createHistogram(name, { ...options, advice: { explicitBucketBoundaries: [...(buckets ?? [])] } });
    return (value, labels) => histogram.record(value, labels);
  }
  if (kind === 'gauge') {
    const gauge = meter.createGauge(name, options);
    return (value, labels) => gauge.record(value, labels);
  }
  const sum = kind === 'counter' ? meter.createCounter(name, options) : meter.createUpDownCounter(name, options);
  return (value, labels) => sum.add(value, labels);
}
