import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Evidence, Outcome, SaidWord } from './judge.ts';
import { ReportingProcess } from './reporting-process.ts';
import type { ProducerOrders, ProducerSettings, Report } from './reports.ts';
import { type Workload, attemptIdOf, numberOf, orderIdOfNumber, planOf } from './workload.ts';

const MODULE = fileURLToPath(new URL('producer.child.ts', import.meta.url));
const GIVE_EVERY_MS = 100;

export interface ProducersOptions {
  readonly count: number;
  readonly bystanders: number;
  readonly orders: number;
  /** Time over which the orders are spread. */
  readonly paceMs: number;
  readonly folder: string;
  readonly settings: Omit<ProducerSettings, 'name' | 'owner' | 'reportFile'>;
}

interface Slot {
  readonly name: string;
  process: ReportingProcess<Report>;
  /** Orders it was given and has not finished. */
  readonly given: Set<number>;
}

type Word = Omit<SaidWord, 'ageMs'> & { readonly at: number };

/** The producers of the service, the orders among them, and everything they have told. */
export class Producers {
  readonly outcomes = new Map<string, Outcome>();
  readonly rejections: Record<string, number> = {};
  readonly crashes: string[] = [];
  readonly #options: ProducersOptions;
  readonly #slots: Slot[] = [];
  readonly #bystanders: ReportingProcess<Report>[] = [];
  readonly #words: Word[] = [];
  readonly #finished = new Set<string>();
  readonly #again: number[] = [];
  #nextNumber = 0;
  #startedAt = 0;
  #giving: NodeJS.Timeout | undefined;
  #isEnding = false;
  #lives = 0;

  constructor(options: ProducersOptions) {
    this.#options = options;
  }

  /** Processes only; orders are given from `giveOrders()` on. */
  start(): void {
    const { count, bystanders } = this.#options;
    for (let index = 1; index <= bystanders; index++) this.#bystanders.push(this.#launch(`bystander-${index}`, 'bystander'));
    for (let index = 1; index <= count; index++) {
      const name = `producer-${index}`;
      this.#slots.push({ name, process: this.#launch(name, 'shop'), given: new Set() });
    }
    for (const slot of this.#slots) this.#whenItEnds(slot);
  }

  #launch(name: string, owner: string): ReportingProcess<Report> {
    this.#lives += 1;
    const { folder, settings } = this.#options;
    const own: ProducerSettings = { ...settings, name, owner, reportFile: join(folder, `${name}-${this.#lives}.jsonl`) };
    return new ReportingProcess<Report>({
      name,
      module: MODULE,
      settings: own,
      logFile: join(folder, 'log', `${name}.log`),
      onReport: (report) => this.#take(report),
      onCrash: (how) => this.crashes.push(how),
    });
  }

  #whenItEnds(slot: Slot): void {
    void slot.process.ended.then(() => {
      for (const number of slot.given) {
        // Once it was begun nobody but the dead knows how far it came; before that it is anybody's.
        if (this.outcomes.has(attemptIdOf(orderIdOfNumber(number), 1))) this.#finished.add(orderIdOfNumber(number));
        else this.#again.push(number);
      }
      slot.given.clear();
    });
  }

  get size(): number {
    return this.#slots.length;
  }

  get isAllReady(): boolean {
    return [...this.#slots.map(({ process }) => process), ...this.#bystanders].every(({ isReady }) => isReady);
  }

  get words(): readonly SaidWord[] {
    const now = Date.now();
    return this.#words.map(({ at, ...word }) => ({ ...word, ageMs: now - at }));
  }

  /** Milliseconds since a check-back was last answered. */
  get quietMs(): number {
    return Date.now() - (this.#words.findLast(({ by }) => by === 'check')?.at ?? 0);
  }

  get progress(): { started: number; finished: number; running: number; checks: number } {
    return {
      started: this.#nextNumber - this.#again.length,
      finished: this.#finished.size,
      running: this.#slots.reduce((sum, { given }) => sum + given.size, 0),
      checks: this.#words.filter(({ by }) => by === 'check').length,
    };
  }

  get isFinished(): boolean {
    return this.#finished.size >= this.#options.orders;
  }

  giveOrders(): void {
    this.#startedAt = Date.now();
    this.#giving = setInterval(() => this.#give(), GIVE_EVERY_MS);
  }

  #give(): void {
    const { orders, paceMs, settings } = this.#options;
    const due = Math.min(orders, Math.ceil((orders * (Date.now() - this.#startedAt)) / paceMs));
    const able = this.#slots.filter(({ process }) => process.isReady && !process.isStopped);
    for (const slot of able) {
      const room = settings.concurrency * 2 - slot.given.size;
      const share = Math.ceil((due - this.#nextNumber + this.#again.length) / able.length);
      const numbers: number[] = [];
      while (numbers.length < Math.min(room, share)) {
        const number = this.#again.pop() ?? (this.#nextNumber < due ? this.#nextNumber++ : undefined);
        if (number === undefined) break;
        numbers.push(number);
        slot.given.add(number);
      }
      if (numbers.length > 0) slot.process.give({ numbers } satisfies ProducerOrders);
    }
  }

  #take(report: Report): void {
    switch (report.kind) {
      case 'started':
        this.outcomes.set(report.attemptId, { kind: 'unknown' });
        break;
      case 'resolved':
        this.outcomes.set(report.attemptId, report);
        break;
      case 'rejected':
        this.outcomes.set(report.attemptId, report);
        this.rejections[report.code] = (this.rejections[report.code] ?? 0) + 1;
        break;
      case 'finished':
        this.#finished.add(report.orderId);
        for (const { given } of this.#slots) given.delete(numberOf(report.orderId));
        break;
      case 'answered':
        this.#words.push({ by: 'check', transactionId: report.transactionId, resolution: report.resolution, at: Date.now() });
        break;
      case 'ending':
        this.#words.push({ by: 'end', transactionId: report.transactionId, resolution: report.resolution, at: Date.now() });
        break;
      case 'unhandled':
        this.crashes.push(report.message);
        break;
      case 'ready':
      case 'waiting':
      case 'drained':
        break;
    }
  }

  /** Kills one and starts the next life of it at once. */
  async killAndRestart(index: number): Promise<void> {
    const slot = this.#slots[index]!;
    slot.process.kill();
    await slot.process.ended;
    this.restart(index);
  }

  restart(index: number): void {
    const slot = this.#slots[index]!;
    if (this.#isEnding || !slot.process.hasEnded) return;
    slot.process = this.#launch(slot.name, 'shop');
    this.#whenItEnds(slot);
  }

  /** Asks one to end in order, as a deployment does, and starts the next life of it. */
  async replace(index: number): Promise<void> {
    const slot = this.#slots[index]!;
    await slot.process.end(30_000);
    this.restart(index);
  }

  freeze(index: number, isStopped: boolean): void {
    this.#slots[index]!.process.stop(isStopped);
  }

  isReady(index: number): boolean {
    const { process } = this.#slots[index]!;
    return process.isReady && !process.isStopped;
  }

  /** Everybody up and going. */
  heal(): void {
    this.#slots.forEach(({ process }, index) => {
      if (process.hasEnded) this.restart(index);
      else process.stop(false);
    });
  }

  /** Marker rows among the committed ones; each counts one update. */
  expectedUpdates(rows: Evidence['rows'], workload: Workload): number {
    return rows.filter(({ orderId }) => planOf(workload, this.#options.settings.seed, numberOf(orderId)).strategy.startsWith('marker'))
      .length;
  }

  async close(patienceMs: number): Promise<void> {
    this.#isEnding = true;
    clearInterval(this.#giving);
    await Promise.all([...this.#slots.map(({ process }) => process), ...this.#bystanders].map((process) => process.end(patienceMs)));
  }
}
