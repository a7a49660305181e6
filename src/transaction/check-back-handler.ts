import { type BulkheadPolicy, bulkhead } from 'cockatiel';
import { MESSAGE_PROPERTY, type OutgoingMessage, traceOf } from '../broker/message.ts';
import type { CheckedHalfMessage, Resolution } from '../broker/transactional-producer.ts';
import { abortable } from '../shared/abort.ts';
import type { Logger } from '../shared/logger.ts';
import { emitTransactionEvent, runTransactionOperation } from './diagnostics.ts';
import type { ForeignChecks } from './foreign-checks.ts';
import { eventOf, viewHalfMessage } from './half-message.ts';
import type { ListenerRegistry } from './listener-registry.ts';
import { type Lookup, transactionMarker } from './lookup.ts';
import type { TransactionDatabase } from './transaction-database.ts';
import type { TransactionDatabases } from './transaction-databases.ts';

/** What became of a transaction, and why nobody can say when it is UNKNOWN. */
export interface CheckBackAnswer {
  readonly resolution: Resolution;
  readonly reason?: string;
  /** Another service's message: only that one knows. */
  readonly isForeign?: true;
}

export interface CheckBackHandlerOptions {
  readonly owner: string;
  readonly registry: ListenerRegistry;
  readonly databases: TransactionDatabases;
  readonly logger: Logger;
  readonly concurrency: number;
  /** Rounds from which a check that is answered UNKNOWN is an alarm: the broker gives up after its own maximum. */
  readonly alarmRound: number;
  readonly foreignChecks: Pick<ForeignChecks, 'asked'>;
}

/** More than sending a half may take: beyond it the clocks differ. */
const MAX_CLOCK_OFFSET_MS = 10_000;

/**
 * Answers the broker's questions. The client would run any number of them at once, without a time limit and twice for
 * one id: here they are bounded, single-flight per transaction and listener, and end in exactly one of three answers.
 * Whatever goes wrong is UNKNOWN: the broker asks again.
 */
export class CheckBackHandler {
  readonly #options: CheckBackHandlerOptions;
  readonly #bulkhead: BulkheadPolicy;
  readonly #flights = new Map<string, Promise<CheckBackAnswer>>();

  constructor(options: CheckBackHandlerOptions) {
    this.#options = options;
    // What does not fit the queue is asked again in the next round; memory stays bounded.
    this.#bulkhead = bulkhead(options.concurrency, options.concurrency * 100);
  }

  answer(half: CheckedHalfMessage, signal: AbortSignal): Promise<Resolution> {
    const begun = () => ({ ...eventOf(half), round: half.round, trace: traceOf(half) });
    return runTransactionOperation('check-back', begun, () => this.#answer(half, signal));
  }

  async #answer(half: CheckedHalfMessage, signal: AbortSignal): Promise<Resolution> {
    const { properties, topic, round } = half;
    // Several messages of one decision share its id and its answer.
    const flightKey =
      [MESSAGE_PROPERTY.owner, MESSAGE_PROPERTY.listener, MESSAGE_PROPERTY.transactionId].map((name) => properties[name] ?? '').join(' ') +
      topic;
    let flight = this.#flights.get(flightKey);
    if (flight === undefined) {
      flight = this.resolve(half, signal).finally(() => this.#flights.delete(flightKey));
      this.#flights.set(flightKey, flight);
    }
    this.#judgeClock(half);
    const { resolution, reason, isForeign } = await flight;
    if (isForeign) this.#options.foreignChecks.asked(half);
    const event = {
      ...eventOf(half),
      resolution,
      round,
      ageMs: half.bornAt === undefined ? undefined : Date.now() - half.bornAt.getTime(),
      ...(reason === undefined ? {} : { reason }),
    };
    emitTransactionEvent('checked', event);
    this.#options.logger.info(event, `check-back answered ${resolution}`);
    if (resolution === 'UNKNOWN' && round >= this.#options.alarmRound) {
      emitTransactionEvent('check-budget-low', event);
      this.#options.logger.error(event, `check-back round ${round} and still UNKNOWN: the broker will soon park the message`);
    }
    return resolution;
  }

  /** The answer, as for nobody's question: no event, no alarm. Never rejects. */
  async resolve(half: OutgoingMessage, signal: AbortSignal): Promise<CheckBackAnswer> {
    const found = this.#find(half);
    if ('reason' in found) return { resolution: 'UNKNOWN', ...found };
    try {
      const check = this.#bulkhead.execute(() => found.database.check(found.lookup, viewHalfMessage(half), signal));
      return { resolution: await abortable(check, signal) };
    } catch (error) {
      this.#options.logger.warn({ listener: half.properties[MESSAGE_PROPERTY.listener], error }, 'check-back look-up failed');
      return { resolution: 'UNKNOWN', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** A half is born by its sender's clock and stored by the broker's; gRPC shows a producer no other time of the broker. */
  #judgeClock({ topic, round, bornAt, storedAt }: CheckedHalfMessage): void {
    if (round !== 1 || bornAt === undefined || storedAt === undefined) return;
    const offsetMs = bornAt.getTime() - storedAt.getTime();
    if (Math.abs(offsetMs) < MAX_CLOCK_OFFSET_MS) return;
    emitTransactionEvent('clock-offset', { topic, offsetMs });
    this.#options.logger.error(
      { topic, offsetMs },
      `the clock of a producer is ${Math.abs(offsetMs)} ms ${offsetMs > 0 ? 'ahead of' : 'behind'} the broker's: check-backs come ${offsetMs > 0 ? 'late' : 'early'}; synchronise them`,
    );
  }

  /** How and where to look the message up, or why it cannot be: never a reason for ROLLBACK. */
  #find({
    properties,
    ...half
  }: OutgoingMessage): { lookup: Lookup; database: TransactionDatabase } | { reason: string; isForeign?: true } {
    const owner = properties[MESSAGE_PROPERTY.owner];
    // Any producer of a topic may be asked about any service's message: only its owner knows the answer.
    if (owner !== this.#options.owner)
      return { reason: `owned by ${owner === undefined ? 'nobody' : `"${owner}"`}, not by "${this.#options.owner}"`, isForeign: true };
    if (!properties[MESSAGE_PROPERTY.transactionId]) return { reason: 'the message carries no transaction id' };
    const name = properties[MESSAGE_PROPERTY.database];
    const database = this.#options.databases.find(name);
    if (database === undefined) return { reason: `this service knows no database ${name === undefined ? 'without a name' : `"${name}"`}` };
    // The sender's word, not today's code: a listener that has changed its look-up since would look in the wrong place.
    const kind = properties[MESSAGE_PROPERTY.lookup];
    if (kind === 'transactionMarker') return { lookup: transactionMarker(), database };
    const listener = this.#options.registry.find({ ...half, properties });
    if (listener === undefined) return { reason: 'no such listener in this version of the service' };
    if (listener.lookup.kind !== kind)
      return { reason: `sent under look-up "${kind ?? ''}", which listener "${listener.name}" of this version does not have` };
    return { lookup: listener.lookup, database };
  }
}
