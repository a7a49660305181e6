import { type Random, between, oneOf, randomFrom } from './random.ts';
import { ALL_BANK_FAULTS, type BankFaults, NO_BANK_FAULTS } from './workers/bank-faults.ts';

export type Strategy = `${'row' | 'marker'}-${'first' | 'overlapped' | 'beforeCommit'}`;

const STRATEGIES = ['row-first', 'row-overlapped', 'row-beforeCommit', 'marker-first', 'marker-overlapped', 'marker-beforeCommit'] as const;

type Range = readonly [least: number, most: number];

/** What the orders are like and what happens to them besides the nemesis. Shares are from 0 to 1. */
export interface Workload {
  readonly strategies: readonly [Strategy, ...Strategy[]];
  /** Orders whose decision carries two messages, on two topics. */
  readonly twoMessages: number;
  /** Orders that fail locally: half of them throw after their row is written, half of them decide ROLLBACK. */
  readonly failing: number;
  /** Orders whose ENDs never leave, as packets that are lost. */
  readonly lostEnd: number;
  /** Orders whose `execute` waits before it writes. */
  readonly slowExecute: number;
  readonly slowExecuteMs: Range;
  /** Orders whose half message is stored long before its sender hears of it. */
  readonly lateHalfAck: number;
  readonly lateHalfAckMs: Range;
  /** Orders whose first half message is stored, and whose sender is told that it was not. */
  readonly lostHalfAck: number;
  /** Orders whose COMMIT is applied, and its answer lost. */
  readonly lostCommitAnswer: number;
  /** Orders whose session dies as COMMIT is sent, before it is applied. */
  readonly killedBeforeCommit: number;
  /** Times an order is tried when it was refused with an error that allows it. */
  readonly maxAttempts: number;
  /** Orders that workers have to charge at the bank. */
  readonly charged: number;
  readonly bank: BankFaults;
}

/** Everything at once. */
export const MIXED: Workload = {
  strategies: STRATEGIES,
  twoMessages: 0.25,
  failing: 0.1,
  lostEnd: 0.05,
  slowExecute: 0.08,
  slowExecuteMs: [100, 2_500],
  lateHalfAck: 0.01,
  lateHalfAckMs: [1_000, 3_000],
  lostHalfAck: 0.01,
  lostCommitAnswer: 0.005,
  killedBeforeCommit: 0.005,
  maxAttempts: 3,
  charged: 0.2,
  bank: ALL_BANK_FAULTS,
};

/** All strategies, ordinary failures of the business, and nothing that would make the broker ask. */
export const STEADY: Workload = {
  ...MIXED,
  lostEnd: 0,
  slowExecute: 0.02,
  slowExecuteMs: [50, 300],
  lateHalfAck: 0,
  lostHalfAck: 0,
  lostCommitAnswer: 0,
  killedBeforeCommit: 0,
  maxAttempts: 1,
  bank: NO_BANK_FAULTS,
};

/** What one order is and what will happen to it. */
export interface OrderPlan {
  readonly orderId: string;
  readonly strategy: Strategy;
  readonly messages: 1 | 2;
  readonly fails: 'throws' | 'declines' | undefined;
  readonly losesEnd: boolean;
  readonly executeDelayMs: number;
  readonly halfAckDelayMs: number;
  readonly losesHalfAck: boolean;
  readonly commitFault: 'lostAnswer' | 'killedBefore' | undefined;
  /** Written by an INSERT of its own, behind the entity manager's back. */
  readonly isNative: boolean;
  /** Charged at the bank by whoever gets its message. */
  readonly isCharged: boolean;
}

/** The same for the same seed and number, whichever process asks. */
export function planOf(workload: Workload, seed: number, number: number): OrderPlan {
  const random = randomFrom('order', seed, number);
  const hit = (share: number): boolean => random() < share;
  const delay = (share: number, range: Range): number => delayOf(random, share, range);
  return {
    orderId: orderIdOfNumber(number),
    strategy: oneOf(random, workload.strategies),
    messages: hit(workload.twoMessages) ? 2 : 1,
    fails: hit(workload.failing) ? (hit(0.5) ? 'throws' : 'declines') : undefined,
    losesEnd: hit(workload.lostEnd),
    executeDelayMs: delay(workload.slowExecute, workload.slowExecuteMs),
    halfAckDelayMs: delay(workload.lateHalfAck, workload.lateHalfAckMs),
    losesHalfAck: hit(workload.lostHalfAck),
    commitFault: hit(workload.lostCommitAnswer) ? 'lostAnswer' : hit(workload.killedBeforeCommit) ? 'killedBefore' : undefined,
    isNative: hit(0.3),
    isCharged: hit(workload.charged),
  };
}

function delayOf(random: Random, share: number, range: Range): number {
  const [isHit, length] = [random() < share, between(random, range)];
  return isHit ? length : 0;
}

const PREFIX = 'order-';

export const orderIdOfNumber = (number: number): string => `${PREFIX}${String(number).padStart(6, '0')}`;
export const numberOf = (orderId: string): number => Number(orderId.slice(PREFIX.length));
export const attemptIdOf = (orderId: string, attempt: number): string => `${orderId}/${attempt}`;
export const orderIdOf = (attemptId: string): string => attemptId.slice(0, attemptId.indexOf('/'));
/** The order in an idempotency key, whatever was put around it; the text itself when there is none. */
export const orderIdInKey = (text: string): string => /order-\d+/.exec(text)?.[0] ?? text;
