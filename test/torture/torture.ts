import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../src/cli/stack/wait-until.ts';
import { type Verdict, judge } from './judge.ts';
import { Nemesis, type Restarts } from './nemesis.ts';
import { type Stage, openStage } from './stage.ts';
import { type TortureOptions, transactionTimeoutOf } from './torture-options.ts';
import { workloadOf } from './unsafe/unsafe-variants.ts';

export interface TortureResult extends Verdict {
  readonly orders: number;
  /** Orders that were finished while the nemesis was on; the others were held up and came after it. */
  readonly underNemesis: number;
  readonly restarts: Restarts;
  readonly rejections: Readonly<Record<string, number>>;
  /** Whether check-backs and deliveries came to an end with nothing undelivered. */
  readonly isDrained: boolean;
}

const STATUS_EVERY_MS = 3_000;
/** A check-back comes at least this often while the broker holds a half that it has begun to ask about. */
const QUIET_MS = 5_000;
/** Quiet beyond that with something undelivered: waiting longer would be for nothing. */
const GIVE_UP_AFTER_MS = 15_000;
/** How long the backlog may take to drain once nothing fails any more. */
const DRAIN_DEADLINE_MS = 150_000;
const STALL_MS = 60_000;
const READ_DEADLINE_MS = 30_000;

type Conclude = (isFinal: boolean) => Promise<Verdict>;

/** One run on a stack of its own. Whatever happens, nothing of it is left running. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { seed, signal, onNews } = options;
  await using resources = new AsyncDisposableStack();
  onNews('starting broker, database and producers');
  const stage = await openStage(options, resources);
  const { producers } = stage;
  const nemesis = new Nemesis({ ...stage, seed, onNews });
  resources.defer(() => nemesis.halt());
  const status = setInterval(() => onNews(describe(stage, nemesis.restarts, options.orders)), STATUS_EVERY_MS);
  resources.defer(() => clearInterval(status));
  const conclude: Conclude = (isFinal) => concludeFrom(stage, options, isFinal);
  let underNemesis = 0;
  const result = (verdict: Verdict, isDrained: boolean): TortureResult => ({
    ...verdict,
    orders: options.orders,
    underNemesis,
    restarts: nemesis.restarts,
    rejections: producers.rejections,
    isDrained,
  });

  onNews('producers are ready: orders begin');
  producers.giveOrders();
  const endsAt = Date.now() + options.seconds * 1_000;
  const isOver = (): boolean => Date.now() >= endsAt;
  if (options.workload !== undefined) {
    const early = await firstViolation(conclude, () => isOver() && producers.isFinished, signal);
    if (early !== undefined) return result(early, false);
  } else if (options.hasNemesis) {
    nemesis.start();
    await Promise.race([until(isOver, signal), nemesis.failed]);
    underNemesis = producers.progress.finished;
    onNews('nemesis off; bringing everything up again');
    await nemesis.stop();
  }
  await finish(stage, signal);
  onNews('all orders are finished; waiting until nothing is undelivered and nothing is asked any more');
  const isDrained = await drain(stage, conclude, (transactionTimeoutOf(options) ?? 0) + QUIET_MS, signal);
  await producers.close(30_000);
  const verdict = await conclude(true);
  return result(verdict, isDrained);
}

async function concludeFrom({ producers, ledger }: Stage, options: TortureOptions, isFinal: boolean): Promise<Verdict> {
  // First what was said and seen, then the database: a row that comes in between excuses nobody.
  const { words, crashes } = producers;
  const deliveries = [...ledger.deliveries];
  const outcomes = new Map(producers.outcomes);
  const read = { what: 'the database to be read', timeoutMs: READ_DEADLINE_MS, signal: options.signal };
  const { rows, effects, updates } = await waitUntil(() => ledger.readDatabase(), read);
  const expected = producers.expectedUpdates(rows, workloadOf(options));
  const { isSteady } = options;
  return judge({ outcomes, rows, deliveries, words, effects, updates: { ...updates, expected }, crashes, isFinal, isSteady });
}

/** Judges every second; the first violation that needs no further proof ends the run, or `undefined` when the time is over. */
async function firstViolation(conclude: Conclude, isOver: () => boolean, signal: AbortSignal): Promise<Verdict | undefined> {
  while (!isOver()) {
    await sleep(1_000, undefined, { signal });
    const verdict = await conclude(false);
    // A false answer alone is no loss yet; it is about to be one.
    if (verdict.violations.some(({ invariant }) => invariant !== 'same answer for ever')) return verdict;
  }
  return undefined;
}

/** Waits for the orders that outages have held up, as long as it goes on. */
async function finish({ producers }: Stage, signal: AbortSignal): Promise<void> {
  for (let before = -1; !producers.isFinished;) {
    const { finished } = producers.progress;
    if (finished === before) throw new Error(`no order was finished within ${STALL_MS} ms; ${finished} are`);
    before = finished;
    const checkAt = Date.now() + STALL_MS;
    await until(() => producers.isFinished || Date.now() > checkAt, signal);
  }
}

/** Waits until every committed row is delivered and nobody has asked or delivered anything for a while; false when that does not come. */
async function drain({ producers, ledger }: Stage, conclude: Conclude, quietMs: number, signal: AbortSignal): Promise<boolean> {
  const startedAt = Date.now();
  while (Date.now() < startedAt + DRAIN_DEADLINE_MS) {
    await sleep(1_000, undefined, { signal });
    const { lost } = await conclude(true);
    const quietFor = Math.min(producers.quietMs, ledger.quietMs + QUIET_MS / 2, Date.now() - startedAt);
    if (lost === 0 && quietFor >= quietMs) return true;
    if (quietFor >= quietMs + GIVE_UP_AFTER_MS) break;
  }
  return false;
}

async function until(isDone: () => boolean, signal: AbortSignal): Promise<void> {
  while (!isDone()) await sleep(100, undefined, { signal });
}

function describe({ producers, ledger }: Stage, restarts: Restarts, orders: number): string {
  const { finished, running, checks } = producers.progress;
  const { broker, database, producers: killed, freezes, sessions } = restarts;
  return (
    `${finished} of ${orders} orders finished, ${running} under way · ${ledger.deliveries.length} deliveries · ${checks} checks · ` +
    `restarts: broker ${broker}, database ${database}, producers ${killed}; ${freezes} freezes, ${sessions} sessions killed`
  );
}
