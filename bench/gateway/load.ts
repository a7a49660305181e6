/** What one round of calls came to. */
export interface Load {
  readonly perSecond: number;
  /** Of this process, the driver of the load included. */
  readonly cpuMicrosPerCall: number;
}

/** Runs `call` over and over on `concurrency` lanes for `ms`. Any call that fails ends it. */
export async function runLoad(call: () => Promise<void>, concurrency: number, ms: number): Promise<Load> {
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  const endsAt = startedAt + ms;
  let calls = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      await call();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  const { user, system } = process.cpuUsage(cpuBefore);
  return { perSecond: calls / ((performance.now() - startedAt) / 1000), cpuMicrosPerCall: (user + system) / calls };
}
