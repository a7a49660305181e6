import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { startTelemetry, type TelemetryOptions } from '../../../src/telemetry/start-telemetry.ts';

export interface Recorded {
  readonly tracerProvider: TracerProvider;
  readonly meterProvider: MeterProvider;
  /** Ended spans, in the order of their ends. */
  spans(): readonly ReadableSpan[];
  /** The only ended span of that name. */
  span(name: string): ReadableSpan;
  /** Value of a counter or gauge, or count of a histogram, summed over what has these labels; `undefined` when nothing has. */
  value(metric: string, labels?: Record<string, string>): Promise<number | undefined>;
  /** Everything that was metered, as text. */
  metered(): Promise<string>;
  /** Listens no more; what was recorded can still be read. */
  stop(): void;
  close(): Promise<void>;
}

/** Telemetry of this process into memory. */
export function recordTelemetry(options: Pick<TelemetryOptions, 'states'> = {}): Recorded {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const reader = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const telemetry = startTelemetry({ meterProvider, tracerProvider, ...options });
  const points = async (metric: string) => {
    const { resourceMetrics } = await reader.collect();
    const found = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics).find(({ descriptor }) => descriptor.name === metric);
    return found?.dataPoints ?? [];
  };
  return {
    tracerProvider,
    meterProvider,
    spans: () => exporter.getFinishedSpans(),
    span(name) {
      const found = exporter.getFinishedSpans().filter((span) => span.name === name);
      if (found.length !== 1)
        throw new Error(
          `${found.length} spans "${name}" among ${exporter
            .getFinishedSpans()
            .map((span) => span.name)
            .join(', ')}`,
        );
      return found[0]!;
    },
    async value(metric, labels = {}) {
      const matching = (await points(metric)).filter(({ attributes }) =>
        Object.entries(labels).every(([name, value]) => attributes[name] === value),
      );
      if (matching.length === 0) return undefined;
      return matching.reduce((sum, { value }) => sum + (typeof value === 'number' ? value : (value as { count: number }).count), 0);
    },
    metered: async () => JSON.stringify((await reader.collect()).resourceMetrics.scopeMetrics),
    stop: () => telemetry.close(),
    async close() {
      telemetry.close();
      await meterProvider.shutdown();
      await tracerProvider.shutdown();
    },
  };
}
