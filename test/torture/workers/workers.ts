import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ReportingProcess } from '../reporting-process.ts';
import type { WorkerEvidence } from './judge-workers.ts';
import type { WorkerReport, WorkerSettings } from './worker-reports.ts';

const MODULE = fileURLToPath(new URL('worker.child.ts', import.meta.url));
/** A drain has a deadline of its own, well below. */
const DRAIN_PATIENCE_MS = 30_000;

export interface WorkersOptions {
  readonly count: number;
  readonly folder: string;
  readonly settings: Omit<WorkerSettings, 'name' | 'reportFile'>;
}

interface Slot {
  readonly name: string;
  process: ReportingProcess<WorkerReport>;
  strike: { from: number; to: number } | undefined;
}

/** The pool that charges the orders, and what was done to it. */
export class Workers {
  readonly crashes: string[] = [];
  readonly strikes: WorkerEvidence['strikes'][number][] = [];
  readonly #options: WorkersOptions;
  readonly #slots: Slot[] = [];
  #isEnding = false;
  #lives = 0;

  constructor(options: WorkersOptions) {
    this.#options = options;
  }

  start(): void {
    for (let index = 1; index <= this.#options.count; index++) {
      const name = `worker-${index}`;
      this.#slots.push({ name, process: this.#launch(name), strike: undefined });
    }
  }

  #launch(name: string): ReportingProcess<WorkerReport> {
    this.#lives += 1;
    const { folder, settings } = this.#options;
    const own: WorkerSettings = { ...settings, name, reportFile: join(folder, `${name}-${this.#lives}.jsonl`) };
    return new ReportingProcess<WorkerReport>({
      name,
      module: MODULE,
      settings: own,
      logFile: join(folder, 'log', `${name}.log`),
      onReport: (report) => {
        if (report.kind === 'unhandled') this.crashes.push(report.message);
      },
      onCrash: (how) => this.crashes.push(how),
    });
  }

  get size(): number {
    return this.#slots.length;
  }

  get isAllReady(): boolean {
    return this.#slots.every(({ process }) => process.isReady);
  }

  isReady(index: number): boolean {
    const { process } = this.#slots[index]!;
    return process.isReady && !process.isStopped;
  }

  async killAndRestart(index: number): Promise<void> {
    const slot = this.#slots[index]!;
    const from = Date.now();
    slot.process.kill();
    await slot.process.ended;
    this.strikes.push({ from, to: Date.now() });
    this.#restart(slot);
  }

  /** Asks one to drain, as a deployment does, and starts the next life of it. */
  async replace(index: number): Promise<void> {
    const slot = this.#slots[index]!;
    await this.#drain(slot);
    this.#restart(slot);
  }

  async #drain({ name, process }: Slot): Promise<void> {
    const hasDrained = await process.end(DRAIN_PATIENCE_MS);
    if (!hasDrained) this.crashes.push(`${name} did not end within ${DRAIN_PATIENCE_MS} ms of SIGTERM`);
  }

  #restart(slot: Slot): void {
    if (!this.#isEnding && slot.process.hasEnded) slot.process = this.#launch(slot.name);
  }

  freeze(index: number, isStopped: boolean): void {
    const slot = this.#slots[index]!;
    slot.process.stop(isStopped);
    if (isStopped) this.strikes.push((slot.strike = { from: Date.now(), to: Number.POSITIVE_INFINITY }));
    else if (slot.strike !== undefined) slot.strike.to = Date.now();
  }

  /** Everybody up and going. */
  heal(): void {
    this.#slots.forEach((slot, index) => {
      if (slot.process.hasEnded) this.#restart(slot);
      else if (slot.process.isStopped) this.freeze(index, false);
    });
  }

  /** Drains all of them; at once and without a word when the run is given up. */
  async close({ isGivenUp }: { readonly isGivenUp: boolean }): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#slots.map((slot) => (isGivenUp ? slot.process.end(0) : this.#drain(slot))));
  }
}
