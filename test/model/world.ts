import type { Check } from './checker.ts';
import type { Half } from './broker.ts';
import type { Producer } from './producer.ts';
import type { Session } from './database-session.ts';

/** One transaction id: the process that publishes under it, its database session, its half messages, its traces. */
export interface Attempt {
  readonly producer: Producer;
  readonly session: Session;
  readonly halves: readonly Half[];
  /** History, not data: whether this transaction's COMMIT was ever applied. Nothing in the protocol reads it. */
  readonly committed: boolean;
  /** The committed row of `transaction_marker`. */
  readonly marker: 0 | 1 | null;
}

/**
 * Everything there is. Several attempts are one caller who publishes the same business key again under a new
 * transaction id. Every part that moves does so in steps of its own, in any order, after any delay.
 */
export interface World {
  readonly attempts: readonly Attempt[];
  /** The committed order row of the one business key, as the number of the attempt that wrote it; the key is unique. */
  readonly orderRow: number | null;
  /** Checks under way, kept sorted: which of two equal checkers is which makes no difference. */
  readonly checks: readonly Check[];
  readonly checksLeft: number;
}

export function attemptAt(world: World, index: number): Attempt {
  const attempt = world.attempts[index];
  if (!attempt) throw new RangeError(`no attempt ${index}`);
  return attempt;
}

export function withAttempt(world: World, index: number, change: Partial<Attempt>): World {
  return { ...world, attempts: world.attempts.with(index, { ...attemptAt(world, index), ...change }) };
}

/** "A" and "B" in a story, or nothing when there is one transaction id only. */
export function nameOf(world: World, index: number): string {
  return world.attempts.length > 1 ? ` ${'AB'[index]}` : '';
}
