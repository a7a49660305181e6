import type { Loaded } from './loaded.ts';

/** Orders that may be open at the end of an open loop although they keep up: those of a moment like any other. */
const SLACK_MS = 100;
const MAX_OVERRUN = 1.05;

/** Whether an open loop was met: nothing failed, it was done in its time, and as many orders were open in its middle as at its end. */
export function isSustained({ failed, openAtMiddle, openAtEnd, wallMs }: Loaded, perSecond: number, ms: number): boolean {
  const slack = (perSecond * SLACK_MS) / 1_000;
  return failed === 0 && openAtEnd <= openAtMiddle + slack && wallMs <= ms * MAX_OVERRUN + SLACK_MS;
}

/** The highest of these rates that is sustained, tried upwards until one is not; 0 when none is. */
export async function findSustainable(rates: readonly number[], ms: number, tell: (command: string) => Promise<Loaded>): Promise<number> {
  let best = 0;
  for (const rate of rates) {
    if (!isSustained(await tell(`open ${rate} ${ms}`), rate, ms)) break;
    best = rate;
  }
  return best;
}
