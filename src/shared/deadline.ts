import type { Clock } from './clock.ts';

/**
 * Settles as `work` does, or rejects with `onTimeout()` after `ms`. The work itself goes on: whoever calls this says
 * what happens to a result that arrives late.
 */
export function withDeadline<T>(work: Promise<T>, ms: number, onTimeout: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(onTimeout()), ms);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/** Whether `work` ends well within `ms`, by a clock that tests can turn; keeps no timer when it does. Rejects as `work` does. */
export async function endsWithin(work: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> {
  const enough = new AbortController();
  const late = clock.sleep(ms, enough.signal).then(
    () => false,
    () => true,
  );
  const isEnded = await Promise.race([work.then(() => true), late]);
  enough.abort();
  return isEnded;
}
