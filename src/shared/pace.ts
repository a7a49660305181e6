import { type Clock, systemClock } from './clock.ts';

/**
 * Gives a wait that lets at most `perSecond` callers through in a second, evenly; the first at once. Time nobody used is
 * not made up for. Rejects with the signal's reason when it aborts.
 */
export const paced = (perSecond: number, clock: Clock = systemClock): ((signal?: AbortSignal) => Promise<void>) => {
  const intervalMs = 1_000 / perSecond;
  let next = clock.now();
  return async (signal) => {
    const at = Math.max(next, clock.now());
    next = at + intervalMs;
    await clock.sleep(at - clock.now(), signal);
  };
};
