import { METRICS, type MetricDefinition, prometheusName } from '../../../src/telemetry/metric-list.ts';

/** The table of docs/metrics.md. */
export function metricsTable(): string {
  const rows = Object.entries<MetricDefinition>(METRICS).map(([name, { kind, labels, help }]) => {
    const type = kind === 'upDown' ? 'gauge' : kind;
    return `| \`${prometheusName(name as keyof typeof METRICS)}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
  });
  return ['| metric | type | labels | what it says |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}
