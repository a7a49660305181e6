import type { MockBankStep } from '../../../src/cli/mock-bank/mock-bank.ts';
import { type Random, between, oneOf, randomFrom } from '../random.ts';

/** What the bank does to a request for a payment that it does not simply accept. The first part of the comment: whether it took the money. */
const PAYMENT_STEPS = {
  /** No, for good. */
  rejects: () => ({ kind: 'reject' }),
  /** Yes, and silence. */
  neverAnswers: () => ({ kind: 'never-answer' }),
  /** No, and silence. */
  stopsReading: () => ({ kind: 'stop-reading' }),
  resetsBeforeBody: () => ({ kind: 'reset', when: 'before-body' }),
  resetsDuringBody: () => ({ kind: 'reset', when: 'during-body' }),
  /** Yes. */
  resetsAfterBody: () => ({ kind: 'reset', when: 'after-body' }),
  resetsDuringAnswer: () => ({ kind: 'reset', when: 'during-answer' }),
  /** Either, as a proxy in front says it. */
  badGateway: (random) => ({ kind: 'bad-gateway', acts: random() < 0.5 }),
  /** No, and it may come again. */
  saysLater: (random) => ({ kind: 'unavailable', retryAfter: String(between(random, [0, 2])) }),
  /** No, and nobody can know. */
  isUnavailable: () => ({ kind: 'unavailable' }),
  /** Yes; on both sides of the time-out. */
  isSlow: (random) => ({ kind: 'slow', delayMs: between(random, [200, 3_000]) }),
  dripsBody: (random) => ({ kind: 'slow-body', byteEveryMs: between(random, [1, 60]) }),
  stallsBody: () => ({ kind: 'stall-body' }),
  truncates: () => ({ kind: 'truncate' }),
  pours: () => ({ kind: 'endless' }),
  talksGarbage: () => ({ kind: 'garbage' }),
  closesAfter: () => ({ kind: 'close-after' }),
} satisfies Record<string, (random: Random) => MockBankStep>;

const JSON_TYPE = { 'content-type': 'application/json' };

/** Answers to a status question that say nothing. None of them acts. */
const SILENT_STEPS: readonly [MockBankStep, ...MockBankStep[]] = [
  { kind: 'stop-reading' },
  { kind: 'reset', when: 'before-body' },
  { kind: 'unavailable' },
  { kind: 'unavailable', retryAfter: '1' },
  { kind: 'bad-gateway', acts: false },
  // A proxy's 404 is not the bank's word that it knows of no payment.
  { kind: 'answer', status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>Not Found</h1>' },
  { kind: 'answer', status: 200, headers: JSON_TYPE, body: '{"status":"ACC' },
];

/** How often the bank fails, as shares from 0 to 1. */
export interface BankFaults {
  /** Payments, together at most 1. The others are accepted and answered. */
  readonly payments: Readonly<Partial<Record<keyof typeof PAYMENT_STEPS, number>>>;
  /** Status questions that are not answered so that it could be understood. The others are answered truthfully. */
  readonly questions: number;
}

export const NO_BANK_FAULTS: BankFaults = { payments: {}, questions: 0 };

/** A quarter of the payments does not go smoothly. */
export const ALL_BANK_FAULTS: BankFaults = {
  payments: {
    rejects: 0.08,
    neverAnswers: 0.03,
    stopsReading: 0.01,
    resetsBeforeBody: 0.015,
    resetsDuringBody: 0.015,
    resetsAfterBody: 0.015,
    resetsDuringAnswer: 0.015,
    badGateway: 0.02,
    saysLater: 0.02,
    isUnavailable: 0.01,
    isSlow: 0.03,
    dripsBody: 0.015,
    stallsBody: 0.01,
    truncates: 0.015,
    pours: 0.005,
    talksGarbage: 0.015,
    closesAfter: 0.02,
  },
  questions: 0.2,
};

/** What the bank does to the nth request of its kind for a key; `undefined`: what a bank does. The same for the same seed. */
export function bankStepOf(
  { payments, questions }: BankFaults,
  seed: number,
  request: { readonly isPayment: boolean; readonly key: string; readonly nth: number },
): MockBankStep | undefined {
  const random = randomFrom('bank', seed, request.isPayment ? 'payment' : 'question', request.key, request.nth);
  let drawn = random();
  if (!request.isPayment) return drawn < questions ? oneOf(random, SILENT_STEPS) : undefined;
  for (const [name, share] of Object.entries(payments) as [keyof typeof PAYMENT_STEPS, number][]) {
    if (drawn < share) return PAYMENT_STEPS[name](random);
    drawn -= share;
  }
  return undefined;
}
