import { MESSAGE_PROPERTY } from '../broker/message.ts';
import type { CheckedHalfMessage } from '../broker/transactional-producer.ts';
import type { Logger } from '../shared/logger.ts';
import { emitTransactionEvent } from './diagnostics.ts';
import { eventOf } from './half-message.ts';

/** A single foreign question may come from a rolling change of the owner's name; the second round does not. */
const PATIENT_ROUNDS = 1;
const MIN_ASIDE_MS = 1_000;
const MAX_ASIDE_MS = 120_000;

export interface ForeignChecksOptions {
  readonly logger: Logger;
  /** Has the broker ask other producers for so long. */
  readonly stepAside: (ms: number) => void;
  /** Gives a number in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * What to do about questions on another service's half messages. The broker asks the producers of a topic strictly in
 * turn, so that with an even number of open halves each of them can meet the same, wrong service in every round until
 * its budget is used up. Chance breaks the step: whoever is asked for others again tosses a coin, and steps aside for
 * some check intervals, during which all questions go to the others.
 */
export class ForeignChecks {
  readonly #options: Required<ForeignChecksOptions>;
  readonly #told = new Set<string>();
  #restingUntil = 0;

  constructor(options: ForeignChecksOptions) {
    this.#options = { random: Math.random, ...options };
  }

  /** Records a foreign question; at most one step aside at a time, and never two in a row without being asked in between. */
  asked(half: CheckedHalfMessage, now = Date.now()): void {
    const { topic, round, properties } = half;
    const owner = properties[MESSAGE_PROPERTY.owner];
    const event = { ...eventOf(half), owner, round };
    emitTransactionEvent('foreign-owner', event);
    const known = `${topic} ${owner ?? ''}`;
    if (!this.#told.has(known) && this.#told.size < 1_000) {
      this.#told.add(known);
      this.#options.logger.error(
        event,
        `topic "${topic}" has another owner, ${owner === undefined ? 'one that names none' : `"${owner}"`}: each uses up the other's check budget; give each service a topic of its own`,
      );
    }
    if (round <= PATIENT_ROUNDS || now < this.#restingUntil) return;
    const asideMs = asideFor(half, now);
    // Decided once for that time, and kept by both sides of the coin: else many halves would toss until all have stepped aside.
    this.#restingUntil = now + asideMs;
    if (this.#options.random() < 0.5) this.#options.stepAside(asideMs);
  }
}

/**
 * Two check intervals and a half: a proxy notices that we are away only by the first question it loses (its
 * `GrpcClientChannel` forgets a dead stream when writing to it fails), and must then meet our absence. The age of a half
 * is its first timeout and `round - 1` intervals.
 */
function asideFor({ bornAt, round }: CheckedHalfMessage, now: number): number {
  const ageMs = bornAt === undefined ? 0 : now - bornAt.getTime();
  return Math.round(Math.min(MAX_ASIDE_MS, Math.max(MIN_ASIDE_MS, (2.5 * ageMs) / round)));
}
