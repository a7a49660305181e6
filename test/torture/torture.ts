import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../src/cli/stack/wait-until.ts';
import { type Verdict, byGravity, judge } from './judge.ts';
import { Nemesis, type Restarts } from './nemesis.ts';
import { type Stage, openStage } from './stage.ts';
import { type TortureOptions, transactionTimeoutOf } from './torture-options.ts';
import { workloadOf } from './unsafe/unsafe-variants.ts';
import type { CallingStrikes } from './workers/calling-strikes.ts';
import { type WorkerVerdict, judgeWorkers } from './workers/judge-workers.ts';
import { redeliver } from './workers/redelivery.ts';
import { type Settlement, settle } from './workers/settlement.ts';
import { walkStories } from './workers/stories.ts';

export interface TortureResult extends Verdict {
  readonly orders: number;
  /** Orders that were finished while the nemesis was on; the others were held up and came after it. */
  readonly underNemesis: number;
  readonly restarts: Restarts;
  readonly rejections: Readonly<Record<string, number>>;
  /** Whether check-backs, deliveries and calls came to an end with nothing undelivered. */
  readonly isDrained: boolean;
  /** What became of the orders that were charged; missing where none were. */
  readonly calling: (Omit<WorkerVerdict, 'violations'> & CallingStrikes & Partial<Ended>) | undefined;
}

const STATUS_EVERY_MS = 3_000;
/** A check-back comes at least this often while the broker holds a half that it has begun to ask about. */
const QUIET_MS = 5_000;
/** Quiet beyond that with something undelivered: waiting longer would be for nothing. */
const GIVE_UP_AFTER_MS = 15_000;
/** As long without a word to the bank, with calls that have no end. Leases and backoffs are shorter. */
const GIVE_UP_CALLING_AFTER_MS = 40_000;
/** How long the backlog may take to drain once nothing fails any more. */
const DRAIN_DEADLINE_MS = 150_000;
const STALL_MS = 60_000;
const READ_DEADLINE_MS = 30_000;

/** What was found when all was over; `redelivered`: messages reconciliation published again; `stories`: orders whose story was read from the page. */
type Ended = Settlement & { readonly redelivered: number; readonly stories: number };

type Conclude = (isFinal: boolean) => Promise<Conclusion>;

/** The verdict on both halves; violations of both are in `orders`. */
interface Conclusion {
  readonly orders: Verdict;
  readonly calling: WorkerVerdict | undefined;
}

/** One run on a stack of its own. Whatever happens, nothing of it is left running. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { seed, signal, onNews } = options;
  await using resources = new AsyncDisposableStack();
  onNews('starting broker, database and producers');
  const stage = await openStage(options, resources);
  const { producers } = stage;
  const nemesis = new Nemesis({ ...stage, seed, onNews });
  resources.defer(() => nemesis.halt());
  const status = setInterval(() => onNews(describe(stage, nemesis, options.orders)), STATUS_EVERY_MS);
  resources.defer(() => clearInterval(status));
  const conclude: Conclude = (isFinal) => concludeFrom(stage, nemesis, options, isFinal);
  let underNemesis = 0;
  const result = ({ orders, calling }: Conclusion, isDrained: boolean, ended?: Ended): TortureResult => ({
    ...orders,
    orders: options.orders,
    underNemesis,
    restarts: nemesis.restarts,
    rejections: producers.rejections,
    isDrained,
    calling: calling && { ...figuresOf(calling, nemesis.callingStrikes), ...ended },
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
  const untilQuiet = (): Promise<boolean> => drain(stage, conclude, (transactionTimeoutOf(options) ?? 0) + QUIET_MS, signal);
  let isDrained = await untilQuiet();
  let redelivered = 0;
  // Everything was published and delivered, and a worker's group went without: what the pool's cron is for.
  if (!isDrained && stage.calling !== undefined && options.workload === undefined && (await conclude(true)).orders.lost === 0) {
    redelivered = await redeliver({ ...stage.stack, isSteady: options.isSteady }, signal);
    onNews(`${redelivered} messages never came to the workers and were published again from their rows`);
    isDrained = await untilQuiet();
  }
  await Promise.all([producers.close(30_000), stage.calling?.workers.close({ isGivenUp: false })]);
  const { orders, calling } = await conclude(true);
  if (stage.calling === undefined) return result({ orders, calling }, isDrained);
  onNews("comparing our rows with the bank's statement");
  const { bank, records } = stage.calling;
  const { endpoints, mysqlUrl } = stage.stack;
  const { violations: unsettled, ...settlement } = await settle(mysqlUrl, bank.ledger(), signal);
  onNews('reading the story of every order that was to be charged from the page for people on call');
  const settings = { endpoints, mysqlUrl, bank: bank.origin, isSteady: options.isSteady };
  const { violations: untold, stories } = await walkStories(settings, await records.orders(), signal);
  const violations = byGravity([...orders.violations, ...unsettled, ...untold]);
  return result({ orders: { ...orders, violations }, calling }, isDrained, { ...settlement, redelivered, stories });
}

async function concludeFrom(
  { producers, ledger, calling }: Stage,
  { databaseOutages }: Nemesis,
  options: TortureOptions,
  isFinal: boolean,
): Promise<Conclusion> {
  // First what was said and seen, then the database: a row that comes in between excuses nobody.
  const { words } = producers;
  const crashes = [...producers.crashes, ...(calling?.workers.crashes ?? [])];
  const deliveries = [...ledger.deliveries];
  const outcomes = new Map(producers.outcomes);
  const seen = calling && { ...calling.bank.evidence(), strikes: [...calling.workers.strikes, ...databaseOutages] };
  const read = { what: 'the database to be read', timeoutMs: READ_DEADLINE_MS, signal: options.signal };
  const { rows, effects, updates } = await waitUntil(() => ledger.readDatabase(), read);
  const records = calling && (await waitUntil(() => calling.records.read(), read));
  const expected = producers.expectedUpdates(rows, workloadOf(options));
  const { isSteady } = options;
  const verdict = judge({ outcomes, rows, deliveries, words, effects, updates: { ...updates, expected }, crashes, isFinal, isSteady });
  const called = seen && records && judgeWorkers({ ...seen, ...records, isFinal, isSteady });
  return { orders: { ...verdict, violations: byGravity([...verdict.violations, ...(called?.violations ?? [])]) }, calling: called };
}

function figuresOf(verdict: WorkerVerdict, strikes: CallingStrikes): Omit<WorkerVerdict, 'violations'> & CallingStrikes {
  const { violations: _, ...figures } = verdict;
  return { ...figures, ...strikes };
}

/** Judges every second; the first violation that needs no further proof ends the run, or `undefined` when the time is over. */
async function firstViolation(conclude: Conclude, isOver: () => boolean, signal: AbortSignal): Promise<Conclusion | undefined> {
  while (!isOver()) {
    await sleep(1_000, undefined, { signal });
    const verdict = await conclude(false);
    // A false answer alone is no loss yet; it is about to be one.
    if (verdict.orders.violations.some(({ invariant }) => invariant !== 'same answer for ever')) return verdict;
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

/** Waits until every committed row is delivered and charged, and nobody has asked or delivered anything for a while; false when that does not come. */
async function drain({ producers, ledger, calling }: Stage, conclude: Conclude, quietMs: number, signal: AbortSignal): Promise<boolean> {
  const startedAt = Date.now();
  while (Date.now() < startedAt + DRAIN_DEADLINE_MS) {
    await sleep(1_000, undefined, { signal });
    const { orders, calling: called } = await conclude(true);
    const quietFor = Math.min(producers.quietMs, ledger.quietMs + QUIET_MS / 2, Date.now() - startedAt);
    const isCalling = (called?.unfinished ?? 0) > 0;
    if (orders.lost === 0 && !isCalling && quietFor >= quietMs) return true;
    if (orders.lost > 0 && quietFor >= quietMs + GIVE_UP_AFTER_MS) break;
    if (isCalling && Math.min(quietFor, calling!.bank.quietMs) >= GIVE_UP_CALLING_AFTER_MS) break;
  }
  return false;
}

async function until(isDone: () => boolean, signal: AbortSignal): Promise<void> {
  while (!isDone()) await sleep(100, undefined, { signal });
}

function describe({ producers, ledger, calling }: Stage, { restarts, callingStrikes }: Nemesis, orders: number): string {
  const { finished, running, checks } = producers.progress;
  const { broker, database, producers: killed, freezes, sessions } = restarts;
  const { workerRestarts, workerFreezes, bankResets, bankOutages } = callingStrikes;
  return (
    `${finished} of ${orders} orders finished, ${running} under way · ${ledger.deliveries.length} deliveries · ${checks} checks · ` +
    `restarts: broker ${broker}, database ${database}, producers ${killed}; ${freezes} freezes, ${sessions} sessions killed` +
    (calling === undefined
      ? ''
      : ` · ${calling.bank.requestCount} requests at the bank; workers: ${workerRestarts} restarts, ${workerFreezes} freezes; ` +
        `bank: ${bankResets} resets, ${bankOutages} outages`)
  );
}
