import { performance } from 'node:perf_hooks';
import type { Around } from '../shared/operation-channels.ts';

/** Puts a stopwatch around an operation. `ended` must not throw; `error` is what it rejected with. */
export const timed =
  (ended: (seconds: number, error: unknown, isRejected: boolean) => void): Around =>
  (work) => {
    const startedAt = performance.now();
    const elapsed = (): number => (performance.now() - startedAt) / 1_000;
    const running = work();
    running.then(
      () => ended(elapsed(), undefined, false),
      (error: unknown) => ended(elapsed(), error, true),
    );
    return running;
  };
