import { setTimeout as sleep } from 'node:timers/promises';

/** More than clocks are cut to, and timers fire early by. */
const APART_MS = 3;

/**
 * Resolves when a message that arrived at `arrivedAt` (on `performance.now()`) may be given another invisible duration.
 * RocketMQ 5.4.0 tells the check points of a message apart by the millisecond they were made in (`PopReviveService`, merge
 * key): when it is postponed in the very millisecond of its pop, the acknowledgement of the first check point counts for
 * the second as well, and the message never comes again. It arrives after its pop, so a little later is late enough.
 */
export async function afterItsMillisecond(arrivedAt: number): Promise<void> {
  const endsAt = arrivedAt + APART_MS;
  for (let now = performance.now(); now < endsAt; now = performance.now()) await sleep(Math.ceil(endsAt - now));
}
