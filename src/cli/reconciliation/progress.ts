import cliProgress from 'cli-progress';

/** A bar on a terminal. */
export interface Progress {
  add(done: number): void;
  stop(): void;
}

/** To standard error, with rate and remaining time; silent where that is no terminal. `total` may be an estimate. */
export const startProgress = (what: string, total: number): Progress => {
  if (!process.stderr.isTTY || total === 0) return { add: () => {}, stop: () => {} };
  const startedAt = performance.now();
  let done = 0;
  const bar = new cliProgress.SingleBar(
    {
      format: `${what} {bar} {percentage}% | {value}/{total} | {rate}/s | {eta_formatted} left`,
      stream: process.stderr,
      clearOnComplete: true,
      // Over so many changes: calls come in chunks.
      etaBuffer: 1_000,
      hideCursor: true,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0, { rate: '0' });
  return {
    add: (more) => {
      done += more;
      const seconds = (performance.now() - startedAt) / 1000;
      // The estimate was made before others added to it.
      if (done > total) bar.setTotal(done);
      bar.update(done, { rate: (done / Math.max(seconds, 0.001)).toFixed(1) });
    },
    stop: () => bar.stop(),
  };
};
