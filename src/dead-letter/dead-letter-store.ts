import type { DeadLetter, Death, DeadLetterReason } from './dead-letter.ts';
import type { DeadLetterState } from './dead-letter-state.ts';

/** What is looked for; everything given must match. */
export interface DeadLetterFilter {
  readonly topic?: string | undefined;
  readonly group?: string | undefined;
  readonly listener?: string | undefined;
  readonly reason?: DeadLetterReason | undefined;
  readonly state?: DeadLetterState | undefined;
  /** Last failure at or after. */
  readonly since?: Date | undefined;
  /** Last failure before. */
  readonly until?: Date | undefined;
  /** One of the message's keys, or its idempotency key. */
  readonly key?: string | undefined;
}

/** Who decides, and why. */
export interface Decision {
  readonly by: string;
  readonly reason?: string | undefined;
}

/** One line of a letter's history. Only ever inserted. */
export interface DeadLetterAction {
  readonly action: 'KEPT' | 'DIED_AGAIN' | 'REPLAY_CLAIMED' | 'REPLAYED' | 'REPLAY_FAILED' | 'REPLAY_ABANDONED' | 'DISCARDED' | 'RESOLVED';
  readonly by: string;
  readonly at: Date;
  readonly why: string | undefined;
}

export type ReplayClaim =
  | { readonly kind: 'claimed'; readonly fence: string; readonly letter: DeadLetter; readonly body: Uint8Array }
  /** Another replay holds it for `leaseMs` more. */
  | { readonly kind: 'in-flight'; readonly leaseMs: number }
  /** Its state allows no replay. */
  | { readonly kind: 'refused'; readonly state: DeadLetterState }
  | { readonly kind: 'missing' };

export type DecideResult =
  | { readonly kind: 'decided'; readonly letter: DeadLetter }
  | { readonly kind: 'in-flight'; readonly leaseMs: number }
  | { readonly kind: 'refused'; readonly state: DeadLetterState }
  | { readonly kind: 'missing' };

/**
 * Keeps dead messages and their history. Safe for concurrent use from many processes; time is the database's. Every
 * method rejects with the driver's error when the database does not do its part.
 */
export interface DeadLetterStore {
  /**
   * Keeps a message; resolved means durable. Idempotent by (topic, group, identity): another death of the same message
   * updates its row, counts, and keeps the first failure's time. A replayed letter whose replay died is OPEN again;
   * any other state stays what it is.
   */
  keep(death: Death, by: string): Promise<{ readonly id: number; readonly isNew: boolean }>;
  find(id: number): Promise<DeadLetter | undefined>;
  /** The bytes as they came; `undefined` when there is no such letter. */
  body(id: number): Promise<Uint8Array | undefined>;
  /** Letters by ascending id, beginning after `afterId`, at most `limit` of them. */
  list(filter: DeadLetterFilter, page: { readonly afterId?: number | undefined; readonly limit: number }): Promise<DeadLetter[]>;
  /** Oldest first. */
  history(id: number): Promise<DeadLetterAction[]>;
  /**
   * OPEN → REPLAYING for `leaseMs`, committed when it resolves; a REPLAYING letter whose lease has ended is claimed
   * anew. Exactly one of several concurrent callers is `claimed`.
   */
  claimReplay(id: number, decision: Decision, leaseMs: number): Promise<ReplayClaim>;
  /** REPLAYING → REPLAYED or OPEN by the holder of `fence`. False when it is the holder no more; nothing has changed then. */
  endReplay(id: number, fence: string, to: 'REPLAYED' | 'OPEN', decision: Decision): Promise<boolean>;
  /** OPEN → DISCARDED or RESOLVED; a replay whose lease has ended is recorded as abandoned first. */
  decide(id: number, to: 'DISCARDED' | 'RESOLVED', decision: Decision): Promise<DecideResult>;
}
