import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How late the event loop ran its timers. */
export interface EventLoopWatch {
  /** The longest delay within the last 10 to 20 s, in milliseconds. */
  maxDelayMs(): number;
  close(): void;
}

const RESOLUTION_MS = 20;
const WINDOW_MS = 10_000;

/** Starts measuring, in windows of 10 s, of which the last two count; keeps no process alive. */
export function watchEventLoop(): EventLoopWatch {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  let before = 0;
  // The histogram counts from the last tick to this one: its own pause is no delay.
  const current = (): number => Math.max(0, (histogram.count === 0 ? 0 : histogram.max) / 1e6 - RESOLUTION_MS);
  const rotate = setInterval(() => {
    before = current();
    histogram.reset();
  }, WINDOW_MS);
  rotate.unref();
  return {
    maxDelayMs: () => Math.max(before, current()),
    close() {
      clearInterval(rotate);
      histogram.disable();
    },
  };
}
