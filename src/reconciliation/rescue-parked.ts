import type { OutgoingMessage } from '../broker/message.ts';
import type { Resolution } from '../broker/transactional-producer.ts';
import { messageOf } from '../shared/error-message.ts';

/** A half message the broker gave up: asked as often as it would, and answered never. */
export interface ParkedHalf extends OutgoingMessage {
  readonly messageId: string;
  /** By the clock of its sender. */
  readonly bornAt: Date;
  /** By the broker's clock. */
  readonly parkedAt: Date;
}

/**
 * What became of one: `delivered` a call is on record, `resumed` it was sent again, `resumed-before` by an earlier run,
 * `rolled-back` its transaction never committed, `unknown` the database cannot say (yet), `foreign` another service's,
 * `failed` it could not be sent.
 */
export const PARKED_FATES = [
  'resumed',
  'would-resume',
  'resumed-before',
  'delivered',
  'rolled-back',
  'unknown',
  'foreign',
  'failed',
] as const;
export type ParkedFate = (typeof PARKED_FATES)[number];

/** Remembers what was sent again. Rejects with the driver's error. */
export interface RescueLedger {
  has(messageId: string): Promise<boolean>;
  /** Idempotent. */
  add(half: ParkedHalf, by: string): Promise<void>;
}

export interface RescueParkedOptions {
  readonly halves: AsyncIterable<ParkedHalf>;
  /** What a check-back would answer. Never rejects. */
  readonly resolve: (
    half: ParkedHalf,
    signal: AbortSignal,
  ) => Promise<{ readonly resolution: Resolution; readonly reason?: string; readonly isForeign?: true }>;
  /** Whether a call is on record that only its delivery can have begun. */
  readonly isDelivered: (half: ParkedHalf) => Promise<boolean>;
  readonly ledger: RescueLedger;
  /** Resolves once the message will be delivered. */
  readonly send: (half: ParkedHalf) => Promise<void>;
  readonly by: string;
  readonly isDryRun: boolean;
  /** Only what was parked since then. */
  readonly since?: Date | undefined;
  /** Waits for its turn before each send. */
  readonly turn: (signal: AbortSignal) => Promise<void>;
  readonly onFate: (half: ParkedHalf, fate: ParkedFate, why: string | undefined) => void;
}

/**
 * Sends parked halves again whose transactions committed, one after the other: same keys, properties and body, so the same
 * idempotency key. A half may be parked although it was delivered, and a run that dies between a send and its record sends
 * once more: consumers must be idempotent, as with every delivery. Rejects when the broker cannot be read or the
 * ledger does not do its part; resolves with how many of each fate.
 */
export async function rescueParked(options: RescueParkedOptions, signal: AbortSignal): Promise<Readonly<Record<ParkedFate, number>>> {
  const counts = Object.fromEntries(PARKED_FATES.map((fate) => [fate, 0])) as Record<ParkedFate, number>;
  for await (const half of options.halves) {
    signal.throwIfAborted();
    if (options.since !== undefined && half.parkedAt < options.since) continue;
    const { fate, why } = await rescue(half, options, signal);
    counts[fate] += 1;
    options.onFate(half, fate, why);
  }
  return counts;
}

async function rescue(
  half: ParkedHalf,
  { resolve, isDelivered, ledger, send, by, isDryRun, turn }: RescueParkedOptions,
  signal: AbortSignal,
): Promise<{ readonly fate: ParkedFate; readonly why?: string | undefined }> {
  if (await ledger.has(half.messageId)) return { fate: 'resumed-before' };
  const { resolution, reason, isForeign } = await resolve(half, signal);
  if (resolution === 'ROLLBACK') return { fate: 'rolled-back' };
  if (resolution === 'UNKNOWN') return { fate: isForeign ? 'foreign' : 'unknown', why: reason };
  if (await isDelivered(half)) return { fate: 'delivered' };
  if (isDryRun) return { fate: 'would-resume' };
  await turn(signal);
  try {
    await send(half);
  } catch (error) {
    return { fate: 'failed', why: messageOf(error) };
  }
  await ledger.add(half, by);
  return { fate: 'resumed' };
}
