import type { CallStatus } from '../../../src/gateway/call-status.ts';
import type { Invariant, Violation } from '../judge.ts';
import { orderIdInKey } from '../workload.ts';
import { CHARGE, CHARGE_QUESTION } from './charge-listener.ts';

export interface WorkerEvidence {
  /** Committed orders that are to be charged, and how often `onSuccess` and `onFail` counted on their rows. */
  readonly orders: readonly { readonly orderId: string; readonly paid: number; readonly refused: number }[];
  readonly calls: readonly { readonly key: string; readonly status: CallStatus }[];
  /** Request records of calls and of status questions. */
  readonly attempts: readonly { readonly call: string; readonly key: string; readonly openedAt: number; readonly hasSnapshot: boolean }[];
  /** Key → state of the status check. */
  readonly checks: ReadonlyMap<string, string>;
  /** Orders whose message was given up and kept. */
  readonly deadLetters: ReadonlySet<string>;
  /** What the bank saw, read before the database was: a record that comes in between excuses nobody. */
  readonly requests: readonly { readonly call: string; readonly key: string; readonly at: number }[];
  /** How often each key took effect at the bank. */
  readonly effects: ReadonlyMap<string, number>;
  /** When a worker was dead or frozen, or the database was away. */
  readonly strikes: readonly { readonly from: number; readonly to: number }[];
  /** False while calls may still come to an end. */
  readonly isFinal: boolean;
  /** Without faults each order takes one attempt and no question. */
  readonly isSteady: boolean;
}

export interface WorkerVerdict {
  readonly calls: number;
  readonly callsSuccess: number;
  readonly callsFail: number;
  readonly callsUnknown: number;
  /** Requests on record, status questions left out. */
  readonly attempts: number;
  /** Requests the bank saw that had no record when they came, status questions among them. */
  readonly unaudited: number;
  /** Payments taken beyond the first of an order. */
  readonly doubledEffects: number;
  readonly deadLetters: number;
  /** Attempts nobody could close: where a worker died or froze, or the database was away. */
  readonly unclosedAttempts: number;
  readonly statusQuestions: number;
  /** Orders to be charged that have not come to an end yet. */
  readonly unfinished: number;
  readonly violations: readonly Violation[];
}

/** A record is written a moment before the request leaves, by the same clock; clocks are set now and then. */
export const CLOCK_STEP_MS = 100;
/** How long after its opening an attempt may be struck: its total time, and as long again until its end is written down. */
export const ATTEMPT_MS = 10_000;

/** Reads the verdict on the calls off the evidence. Pure. */
export function judgeWorkers(evidence: WorkerEvidence): WorkerVerdict {
  const { attempts, calls, checks, deadLetters, effects, isFinal, isSteady, orders, requests, strikes } = evidence;
  const broken = new Map<Invariant, { count: number; example: string }>();
  const breaks = (invariant: Invariant, example: string): void => {
    const known = broken.get(invariant);
    broken.set(invariant, { count: (known?.count ?? 0) + 1, example: known?.example ?? example });
  };

  const effectsOfOrder = new Map<string, number>();
  for (const [key, times] of effects) {
    const orderId = orderIdInKey(key);
    effectsOfOrder.set(orderId, (effectsOfOrder.get(orderId) ?? 0) + times);
  }
  let doubledEffects = 0;
  for (const [orderId, times] of effectsOfOrder) {
    if (times <= 1) continue;
    doubledEffects += times - 1;
    const keys = [...effects.keys()].filter((key) => orderIdInKey(key) === orderId);
    breaks('I3 one payment per order at the bank', `${orderId} was paid ${times} times (under ${keys.join(', ')})`);
  }

  let unaudited = 0;
  const openings = timesByKey(attempts.map(({ call, key, openedAt }) => ({ call, key, at: openedAt })));
  for (const [name, times] of timesByKey(requests)) {
    const opened = openings.get(name) ?? [];
    // The nth request needs n records from before it, for no record covers two of them.
    const missing = times.filter((at, nth) => !(opened[nth]! <= at + CLOCK_STEP_MS));
    unaudited += missing.length;
    if (missing.length > 0)
      breaks(
        'I4 no request without its record',
        `${name}: the bank saw ${times.length} requests, ${times.length - missing.length} with a record before them`,
      );
  }
  let unclosedAttempts = 0;
  for (const { call, key, openedAt, hasSnapshot } of attempts) {
    if (hasSnapshot || !isFinal) continue;
    unclosedAttempts += 1;
    if (!strikes.some(({ from, to }) => from <= openedAt + ATTEMPT_MS && to >= openedAt))
      breaks('I4 every attempt is closed by who lives', `${call} ${key}: no answer on record, and nothing was struck at the time`);
  }

  const statusOf = new Map(calls.map(({ key, status }) => [key, status]));
  for (const { key, status } of calls) {
    const hasPaid = (effects.get(key) ?? 0) > 0;
    if (status === 'FAIL' && hasPaid) breaks('the row says what the bank did', `${key} is FAIL, and the bank took the payment`);
    if (status === 'SUCCESS' && !hasPaid && isFinal)
      breaks('the row says what the bank did', `${key} is SUCCESS, and the bank took nothing`);
  }

  let unfinished = 0;
  for (const { orderId, paid, refused } of orders) {
    const status = statusOf.get(orderId);
    if (paid > 1 || refused > 1 || (paid > 0 && refused > 0))
      breaks('an end is applied once', `${orderId}: onSuccess left its mark ${paid} times, onFail ${refused} times`);
    const isEnded = status === 'SUCCESS' || status === 'FAIL';
    if (!isEnded && !deadLetters.has(orderId)) unfinished += 1;
    if (!isFinal) continue;
    if (status === undefined && !deadLetters.has(orderId)) breaks('I2 no lost message', `${orderId} has neither a call nor a dead letter`);
    if ((status === 'SUCCESS') !== paid > 0 || (status === 'FAIL') !== refused > 0)
      breaks('an end is applied once', `${orderId} is ${status}; onSuccess left its mark ${paid} times, onFail ${refused} times`);
    const check = checks.get(orderId);
    const isInHand = deadLetters.has(orderId) || (status === 'UNKNOWN' && check !== undefined && check !== 'DONE');
    if (status !== undefined && !isEnded && !isInHand)
      breaks('every call comes to an end or to a person', `${orderId} is ${status}, and its status check is ${check ?? 'missing'}`);
  }

  const charges = attempts.filter(({ call }) => call === CHARGE).length;
  const statusQuestions = requests.filter(({ call }) => call === CHARGE_QUESTION).length;
  if (isSteady && isFinal && charges !== orders.length)
    breaks('steady state asks nothing and repeats nothing', `${orders.length} orders took ${charges} attempts`);
  if (isSteady && statusQuestions > 0)
    breaks('steady state asks nothing and repeats nothing', `the bank was asked ${statusQuestions} times`);

  const count = (wanted: CallStatus): number => calls.filter(({ status }) => status === wanted).length;
  return {
    calls: calls.length,
    callsSuccess: count('SUCCESS'),
    callsFail: count('FAIL'),
    callsUnknown: count('UNKNOWN'),
    attempts: charges,
    unaudited,
    doubledEffects,
    deadLetters: deadLetters.size,
    unclosedAttempts,
    statusQuestions,
    unfinished,
    violations: [...broken].map(([invariant, found]) => ({ invariant, ...found })),
  };
}

/** Call and key → when, the earliest first. */
function timesByKey(
  marks: readonly { readonly call: string; readonly key: string; readonly at: number }[],
): ReadonlyMap<string, readonly number[]> {
  const byKey = Map.groupBy(marks, ({ call, key }) => `${call} ${key}`);
  return new Map([...byKey].map(([name, ofKey]) => [name, ofKey.map(({ at }) => at).sort((a, b) => a - b)]));
}
