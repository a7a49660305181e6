import {
  createNoopMeter,
  type MeterProvider,
  metrics,
  ProxyTracerProvider,
  trace,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import { createInstruments } from './instruments.ts';
import { meterConsuming } from './meter-consuming.ts';
import { meterPublishing } from './meter-publishing.ts';
import { Spans } from './spans.ts';
import { observeStates } from './state-readings.ts';
import type { StateSource } from './state-source.ts';
import { traceConsuming } from './trace-consuming.ts';
import { tracePublishing } from './trace-publishing.ts';

export interface TelemetryOptions {
  /** An OpenTelemetry `MeterProvider`. Default: the one that is registered globally; without one nothing is metered. */
  readonly meterProvider?: { getMeter(name: string, version?: string): unknown };
  /** An OpenTelemetry `TracerProvider`. Default: the one that is registered globally; without one nothing is traced. */
  readonly tracerProvider?: { getTracer(name: string, version?: string): unknown };
  /** States that are read whenever metrics are collected. Default: none. */
  readonly states?: readonly StateSource[];
}

/** Telemetry that runs. */
export interface Telemetry {
  /** Listens no more. The providers stay the caller's: shut them down afterwards. Idempotent. */
  close(): void;
}

const SCOPE = 'checkback';

/**
 * Feeds metrics and traces to OpenTelemetry from what the engine of this process tells (`node:diagnostics_channel`). Once a
 * process, after the providers are registered; what was begun before has no span. Where there is no provider nothing is
 * listened to, and costs nothing. Metrics: docs/metrics.md. Traces: a `publish()` takes its parent from its
 * `traceparent` option, else from the active context, and its messages carry the trace on; deliveries, check-backs,
 * status checks and sagas go on with what their message carries.
 */
export function startTelemetry(options: TelemetryOptions = {}): Telemetry {
  const stops: (() => void)[] = [];
  const meter = ((options.meterProvider as MeterProvider | undefined) ?? metrics.getMeterProvider()).getMeter(SCOPE);
  if (meter !== createNoopMeter()) {
    const measure = createInstruments(meter);
    stops.push(...meterPublishing(measure), ...meterConsuming(measure), observeStates(meter, options.states ?? []));
  }
  const tracer = tracerOf(options.tracerProvider as TracerProvider | undefined);
  if (tracer !== undefined) {
    const spans = new Spans(tracer);
    stops.push(...tracePublishing(spans), ...traceConsuming(spans));
  }
  return {
    close() {
      for (const stop of stops.splice(0)) stop();
    },
  };
}

/** The global provider is a proxy: whether somebody stands behind it, it alone knows. */
function tracerOf(given: TracerProvider | undefined): Tracer | undefined {
  const provider = given ?? trace.getTracerProvider();
  return provider instanceof ProxyTracerProvider ? provider.getDelegateTracer(SCOPE) : provider.getTracer(SCOPE);
}
