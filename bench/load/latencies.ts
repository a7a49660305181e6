import { build, type Histogram } from 'hdr-histogram-js';

/** Microseconds in the histogram: three digits from 1 µs to a minute. */
const HIGHEST_US = 60_000_000;

/** Latencies of one round, kept without loss of the tail. */
export interface Latencies {
  /** Milliseconds; what lies beyond a minute counts as a minute. */
  record(ms: number): void;
  /** Milliseconds. NaN while there are none. */
  percentile(percent: number): number;
}

export const latencies = (): Latencies => {
  const histogram: Histogram = build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US * 2,
    numberOfSignificantValueDigits: 3,
  });
  return {
    record: (ms) => histogram.recordValue(Math.min(HIGHEST_US, Math.max(1, Math.round(ms * 1_000)))),
    percentile: (percent) => (histogram.totalCount === 0 ? Number.NaN : histogram.getValueAtPercentile(percent) / 1_000),
  };
};
