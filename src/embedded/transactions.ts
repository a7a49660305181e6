import type { EmbeddedBrokerSettings } from './broker-settings.ts';
import type { EndedTransaction, FaultSwitches } from './fault-switches.ts';
import { type Half, HalfMessages } from './half-messages.ts';
import type { Journal } from './journal-record.ts';
import { Refusal } from './refusal.ts';
import type { IncomingMessage } from './stored-message.ts';
import type { Appointment, Timetable } from './timetable.ts';
import { TransactionMemory } from './transaction-memory.ts';

/** A half message nobody will be asked about any more. */
export interface ParkedHalf {
  readonly message: IncomingMessage;
  readonly rounds: number;
  readonly parkedAt: number;
}

/** Properties the broker adds to those of the sender, for everybody to see. */
export const CHECK_ROUND_PROPERTY = 'TRANSACTION_CHECK_TIMES';
const TRANSACTION_ID_PROPERTY = '__transactionId__';

/** What transactions need from the rest of the broker. */
export interface TransactionPorts {
  /** The decision was COMMIT: the message becomes readable. */
  deliver(message: IncomingMessage): void;
  /** Puts the question to some producer of the topic; `false` when none is online. */
  ask(half: Half): boolean;
}

export interface TransactionStats {
  halves: number;
  commits: number;
  rollbacks: number;
  checks: number;
  unasked: number;
  lostEnds: number;
}

/** A half as it is asked about. */
export function asked({ message, round }: Half): IncomingMessage {
  return { ...message, properties: { ...message.properties, [CHECK_ROUND_PROPERTY]: String(round) } };
}

function committed(half: Half): IncomingMessage {
  const { message, round } = half;
  const { properties } = round > 0 ? asked(half) : message;
  return { ...message, kind: 'NORMAL', properties: { ...properties, [TRANSACTION_ID_PROPERTY]: message.messageId } };
}

/** Half messages from their arrival to COMMIT, ROLLBACK or the car park. */
export class Transactions {
  readonly halves = new HalfMessages();
  readonly memory = new TransactionMemory();
  readonly parked: ParkedHalf[] = [];
  readonly stats: TransactionStats = { halves: 0, commits: 0, rollbacks: 0, checks: 0, unasked: 0, lostEnds: 0 };
  readonly #settings: EmbeddedBrokerSettings;
  readonly #timetable: Timetable;
  readonly #journal: Journal;
  readonly #faults: FaultSwitches;
  readonly #ports: TransactionPorts;
  #opBatch: Appointment | undefined;

  constructor(settings: EmbeddedBrokerSettings, timetable: Timetable, journal: Journal, faults: FaultSwitches, ports: TransactionPorts) {
    this.#settings = settings;
    this.#timetable = timetable;
    this.#journal = journal;
    this.#faults = faults;
    this.#ports = ports;
  }

  /** Check-back rounds begin, whoever is online. */
  start(): void {
    this.#timetable.after(this.#settings.transactionCheckIntervalMs, () => {
      this.#scan();
      this.start();
    });
  }

  store(message: IncomingMessage): void {
    const now = this.#timetable.now();
    // A check round among the sender's properties is taken for one: what is sent again starts with a used-up budget.
    const round = Number(message.properties[CHECK_ROUND_PROPERTY]) || 0;
    const half = this.halves.store(message, now, round);
    this.stats.halves += 1;
    this.#journal.append({ kind: 'half', ...half });
    this.#remember(half);
  }

  /**
   * Never says whether it took effect: the proxy hands an END over and drops the answer. Refused only when the proxy has
   * no record of the half, because it is too old, was used up, or another process had it.
   */
  end(end: EndedTransaction, transactionId: string): void {
    const half = this.memory.take(end.topic, transactionId, this.#timetable.now());
    if (half === undefined) throw new Refusal('INTERNAL_SERVER_ERROR', 'cannot found transaction data');
    if (this.#faults.isEndLost(end)) {
      this.stats.lostEnds += 1;
      return;
    }
    if (end.resolution === 'UNKNOWN' || this.#isRefusedSilently(half, end.isAnswer)) return;
    if (end.resolution === 'COMMIT') {
      this.stats.commits += 1;
      this.#ports.deliver(committed(half));
    } else this.stats.rollbacks += 1;
    this.halves.end(half);
    this.#batchOps();
  }

  /** Puts a half back that was stored before a restart. */
  restore(half: Half): void {
    this.halves.put(half);
  }

  restoreParked(parked: ParkedHalf): void {
    this.parked.push(parked);
  }

  /** Writes the ops now, whatever the batching. */
  writeOps(): void {
    this.#opBatch?.cancel();
    this.#opBatch = undefined;
    const offsets = this.halves.writeOps();
    if (offsets.length > 0) this.#journal.append({ kind: 'ops', offsets });
  }

  /** A producer that asked not to be asked, and then was late. */
  #isRefusedSilently({ message }: Half, isAnswer: boolean): boolean {
    const { checkImmunityMs } = message;
    return !isAnswer && checkImmunityMs !== undefined && this.#timetable.now() - message.bornAt > checkImmunityMs;
  }

  #remember(half: Half): void {
    this.memory.remember(half, this.#timetable.now() + this.#settings.transactionDataExpireMs);
  }

  #batchOps(): void {
    this.#opBatch ??= this.#timetable.after(this.#settings.opBatchIntervalMs + this.#faults.opDelayMs, () => this.writeOps());
  }

  #scan(): void {
    const now = this.#timetable.now();
    this.memory.sweep(now);
    for (const decision of this.halves.scan(now, this.#settings)) {
      const { half } = decision;
      if (decision.kind === 'park') this.#park(half, now);
      else if (decision.kind === 'drop') this.#journal.append({ kind: 'ops', offsets: [half.offset] });
      else {
        const { copy } = decision;
        const { offset: to, round, storedAt, originalOffset } = copy;
        this.#journal.append({ kind: 'copy', from: half.offset, to, round, storedAt, originalOffset });
        if (decision.kind === 'ask') this.#ask(copy);
      }
    }
  }

  #ask(half: Half): void {
    const times = this.#faults.takeDuplicateCheck() ? 2 : 1;
    for (let time = 0; time < times; time += 1) {
      // First the record, then the question: the answer may be quick.
      this.#remember(half);
      if (this.#ports.ask(half)) this.stats.checks += 1;
      else {
        this.memory.take(half.message.topic, half.message.messageId, 0);
        this.stats.unasked += 1;
      }
    }
  }

  #park(half: Half, now: number): void {
    this.parked.push({ message: half.message, rounds: half.round, parkedAt: now });
    this.#journal.append({ kind: 'park', offset: half.offset, at: now });
  }
}
