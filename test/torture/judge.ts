import type { Resolution } from '../../src/index.ts';
import { orderIdOf } from './workload.ts';

/** What must hold, in the words of test/model/invariants.ts. The order is the order of gravity. */
export const INVARIANTS = [
  'I1 no ghost',
  'I2 no lost message',
  'I8 resolved means committed',
  'I8 rejected as rolled back means never committed',
  'I8 every rejection says what happened',
  'I3 one payment per order at the bank',
  'I3 one effect per order',
  'I4 no request without its record',
  'I4 every attempt is closed by who lives',
  'the row says what the bank did',
  'an end is applied once',
  'every call comes to an end or to a person',
  'reconciliation finds what differs and nothing else',
  'the whole story of an order is on record and shown',
  'rows of one transaction commit together',
  'same answer for ever',
  'I5 no unhandled rejection, the process stays up',
  'steady state asks nothing and repeats nothing',
] as const;
export type Invariant = (typeof INVARIANTS)[number];

/** What the caller of one `publish()` was told; `unknown`: nothing, it was killed. */
export type Outcome =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'resolved'; readonly transactionId: string }
  | { readonly kind: 'rejected'; readonly code: string; readonly message?: string };

/** A committed row: which attempt wrote it in which transaction, and which messages go with it. */
export interface CommittedRow {
  readonly orderId: string;
  readonly attemptId: string;
  readonly transactionId: string;
  readonly tags: readonly string[];
}

/** A message as it was delivered. */
export interface DeliveredMessage {
  readonly attemptId: string;
  readonly transactionId: string;
  readonly tag: string;
}

/** A word that was said to the broker about a transaction: the answer to a check-back, or an END. */
export interface SaidWord {
  readonly by: 'check' | 'end';
  readonly transactionId: string;
  readonly resolution: Resolution;
  readonly ageMs: number;
}

export interface Evidence {
  readonly outcomes: ReadonlyMap<string, Outcome>;
  readonly rows: readonly CommittedRow[];
  readonly deliveries: readonly DeliveredMessage[];
  readonly words: readonly SaidWord[];
  /** How often the consumer acted for an order and a tag. */
  readonly effects: readonly { readonly orderId: string; readonly tag: string; readonly times: number }[];
  /** Rows with a marker, and how many updates were counted beside them. */
  readonly updates: { readonly expected: number; readonly counted: number };
  /** Unhandled rejections, and producers that ended although nobody ended them. */
  readonly crashes: readonly string[];
  /** False while messages may still come: then only what no later message can mend counts as lost. */
  readonly isFinal: boolean;
  /** Without faults the broker has nothing to ask, and nothing is delivered twice. */
  readonly isSteady: boolean;
}

export interface Violation {
  readonly invariant: Invariant;
  readonly count: number;
  readonly example: string;
}

export interface Verdict {
  readonly committed: number;
  readonly rolledBack: number;
  readonly inDoubt: number;
  /** Orders whose caller was killed before it was told anything. */
  readonly unknown: number;
  /** Orders with all of their messages delivered. */
  readonly delivered: number;
  /** Messages delivered at least once. */
  readonly messages: number;
  /** Deliveries beyond the first of a message. */
  readonly duplicates: number;
  readonly lost: number;
  readonly ghost: number;
  readonly duplicateEffects: number;
  readonly lies: number;
  readonly checks: number;
  /** The gravest first. */
  readonly violations: readonly Violation[];
}

/** Codes that say "never committed". */
const ROLLED_BACK = new Set(['CB_LOCAL_TRANSACTION', 'CB_HALF_MESSAGE', 'CB_DATABASE_UNAVAILABLE', 'CB_INVALID_MESSAGE', 'CB_CLOSED']);
/** Codes that say "nobody knows yet". */
const IN_DOUBT = 'CB_TRANSACTION_IN_DOUBT';

/** A message whose broker was told ROLLBACK this long ago does not come any more. */
export const GRACE_MS = 2_500;

const messageKey = (transactionId: string, tag: string): string => `${transactionId} ${tag}`;

/** Reads the verdict off the evidence. Pure. */
export function judge(evidence: Evidence): Verdict {
  const { outcomes, rows, deliveries, words, effects } = evidence;
  const broken = new Map<Invariant, { count: number; example: string }>();
  const breaks = (invariant: Invariant, example: string): void => {
    const known = broken.get(invariant);
    broken.set(invariant, { count: (known?.count ?? 0) + 1, example: known?.example ?? example });
  };

  const rowOfTransaction = new Map(rows.map((row) => [row.transactionId, row]));
  const rowOfAttempt = new Map(rows.map((row) => [row.attemptId, row]));
  const delivered = new Map(deliveries.map((message) => [messageKey(message.transactionId, message.tag), message]));

  let ghost = 0;
  for (const { attemptId, transactionId, tag } of delivered.values()) {
    if (rowOfTransaction.has(transactionId)) continue;
    ghost += 1;
    breaks('I1 no ghost', `${attemptId} (${tag}, transaction ${transactionId}) was delivered and has no row`);
  }

  const rolledBackFor = new Map<string, number>();
  for (const { transactionId, resolution, ageMs } of words) {
    if (resolution === 'ROLLBACK') rolledBackFor.set(transactionId, Math.max(ageMs, rolledBackFor.get(transactionId) ?? 0));
    if (resolution === 'UNKNOWN') continue;
    const row = rowOfTransaction.get(transactionId);
    if (resolution === 'ROLLBACK' && row !== undefined) {
      breaks('same answer for ever', `${row.attemptId} (transaction ${transactionId}) has its row, and the broker was told ROLLBACK`);
    }
    if (resolution === 'COMMIT' && row === undefined)
      breaks('same answer for ever', `transaction ${transactionId} has no row, and the broker was told COMMIT`);
  }

  let lost = 0;
  let deliveredOrders = 0;
  for (const { attemptId, transactionId, tags } of rows) {
    const missing = tags.filter((tag) => !delivered.has(messageKey(transactionId, tag)));
    if (missing.length === 0) deliveredOrders += 1;
    const isBeyondHope = evidence.isFinal || (rolledBackFor.get(transactionId) ?? 0) >= GRACE_MS;
    if (missing.length === 0 || !isBeyondHope) continue;
    lost += 1;
    const why = rolledBackFor.has(transactionId) ? ': the broker was told ROLLBACK' : '';
    breaks(
      'I2 no lost message',
      `${attemptId} (${missing.join(', ')}, transaction ${transactionId}) has its row and was never delivered${why}`,
    );
  }

  let lies = 0;
  const latest = new Map<string, Outcome>();
  let inDoubt = 0;
  for (const [attemptId, outcome] of outcomes) {
    latest.set(orderIdOf(attemptId), outcome);
    if (outcome.kind === 'rejected' && outcome.code === IN_DOUBT) inDoubt += 1;
    const row = rowOfAttempt.get(attemptId);
    if (outcome.kind === 'rejected' && outcome.code !== IN_DOUBT && !ROLLED_BACK.has(outcome.code)) {
      lies += 1;
      breaks(
        'I8 every rejection says what happened',
        `${attemptId} was rejected with code "${outcome.code}", which tells its caller nothing: ${outcome.message ?? ''}`,
      );
    }
    if (outcome.kind === 'resolved' && row?.transactionId !== outcome.transactionId) {
      lies += 1;
      breaks(
        'I8 resolved means committed',
        `${attemptId} resolved with transaction ${outcome.transactionId} and has ${row === undefined ? 'no row' : 'the row of another'}`,
      );
    }
    if (outcome.kind === 'rejected' && ROLLED_BACK.has(outcome.code) && row !== undefined) {
      lies += 1;
      breaks(
        'I8 rejected as rolled back means never committed',
        `${attemptId} was rejected with ${outcome.code} and has its row (transaction ${row.transactionId})`,
      );
    }
  }

  let duplicateEffects = 0;
  const acted = new Set<string>();
  for (const { orderId, tag, times } of effects) {
    acted.add(messageKey(orderId, tag));
    if (times <= 1) continue;
    duplicateEffects += times - 1;
    breaks('I3 one effect per order', `${orderId} (${tag}) had ${times} effects`);
  }
  if (evidence.isFinal) {
    for (const { orderId, transactionId, tags } of rows) {
      for (const tag of tags) {
        if (delivered.has(messageKey(transactionId, tag)) && !acted.has(messageKey(orderId, tag)))
          breaks('I3 one effect per order', `${orderId} (${tag}) was delivered and had no effect`);
      }
    }
    const { expected, counted } = evidence.updates;
    if (expected !== counted)
      breaks('rows of one transaction commit together', `${expected} orders with a marker committed, and their updates count ${counted}`);
  }
  for (const crash of evidence.crashes) breaks('I5 no unhandled rejection, the process stays up', crash);

  const checks = words.filter(({ by }) => by === 'check').length;
  const duplicates = deliveries.length - delivered.size;
  if (evidence.isSteady && checks > 0) breaks('steady state asks nothing and repeats nothing', `the broker asked ${checks} times`);
  if (evidence.isSteady && duplicates > 0)
    breaks('steady state asks nothing and repeats nothing', `${duplicates} messages were delivered again`);

  const committedOrders = new Set(rows.map(({ orderId }) => orderId));
  return {
    committed: committedOrders.size,
    rolledBack: [...latest.keys()].filter((orderId) => !committedOrders.has(orderId)).length,
    inDoubt,
    unknown: [...latest.values()].filter(({ kind }) => kind === 'unknown').length,
    delivered: deliveredOrders,
    messages: delivered.size,
    duplicates,
    lost,
    ghost,
    duplicateEffects,
    lies,
    checks,
    violations: byGravity([...broken].map(([invariant, found]) => ({ invariant, ...found }))),
  };
}

/** The gravest first. */
export const byGravity = (violations: readonly Violation[]): readonly Violation[] =>
  INVARIANTS.flatMap((invariant) => violations.filter((violation) => violation.invariant === invariant));
