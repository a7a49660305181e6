import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { METRICS, type MetricDefinition } from '../../src/telemetry/metric-list.ts';
import { metricsTable } from './support/metrics-table.ts';

describe('docs/metrics.md', () => {
  it('has the table of the metrics in the code', () => {
    expect(readFileSync(resolve(import.meta.dirname, '../../docs/metrics.md'), 'utf8')).toContain(metricsTable());
  });

  it('is about metrics that say their unit and have buckets where they need them', () => {
    for (const [name, { kind, unit, buckets, help }] of Object.entries<MetricDefinition>(METRICS)) {
      expect(name.endsWith('.seconds'), name).toBe(unit === 's');
      expect(buckets !== undefined, name).toBe(kind === 'histogram');
      expect(help, name).not.toMatch(/[|\n]/);
    }
  });
});
