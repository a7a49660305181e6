import { type Random, between, oneOf } from '../random.ts';
import type { TortureBank } from './torture-bank.ts';
import type { Workers } from './workers.ts';

/** What was done to those that call and to the one that is called. */
export interface CallingStrikes {
  /** Killed, or drained and replaced. */
  workerRestarts: number;
  workerFreezes: number;
  /** Times all connections to the bank were reset. */
  bankResets: number;
  /** Times the bank refused connections for a while. */
  bankOutages: number;
}

/** The pool of workers and the bank they call. */
export interface Calling {
  readonly workers: Workers;
  readonly bank: TortureBank;
}

interface Tools {
  readonly strikes: CallingStrikes;
  readonly onNews: (line: string) => void;
  readonly wait: (ms: number) => Promise<void>;
}

/** Longer than the leases of deliveries, and now and then than those of calls. */
const FREEZE_MS = [1_000, 12_000] as const;

export async function strikeWorker({ workers }: Calling, random: Random, { strikes, onNews, wait }: Tools): Promise<void> {
  const index = Math.floor(random() * workers.size);
  const how = oneOf(random, ['kill', 'kill', 'kill', 'freeze', 'freeze', 'replace']);
  const freezeMs = between(random, FREEZE_MS);
  if (!workers.isReady(index)) return;
  const name = `worker-${index + 1}`;
  if (how === 'freeze') {
    onNews(`SIGSTOP ${name} for ${freezeMs} ms`);
    workers.freeze(index, true);
    await wait(freezeMs);
    workers.freeze(index, false);
    strikes.workerFreezes += 1;
    return;
  }
  onNews(`${how === 'kill' ? 'kill -9' : 'SIGTERM'} ${name}`);
  await (how === 'kill' ? workers.killAndRestart(index) : workers.replace(index));
  strikes.workerRestarts += 1;
}

export async function strikeBank({ bank }: Calling, random: Random, { strikes, onNews, wait }: Tools): Promise<void> {
  const how = oneOf(random, ['reset', 'reset', 'outage']);
  const outageMs = between(random, [1_000, 7_000]);
  if (how === 'reset') {
    onNews('the bank resets its connections');
    bank.resetConnections();
    strikes.bankResets += 1;
    return;
  }
  onNews(`the bank refuses connections for ${outageMs} ms`);
  await bank.setDown(true);
  await wait(outageMs);
  await bank.setDown(false);
  strikes.bankOutages += 1;
}
