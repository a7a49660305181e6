import { setTimeout as sleep } from 'node:timers/promises';
import type { NativeStack } from '../../src/cli/stack/native-stack.ts';
import type { Ledger } from './ledger.ts';
import type { Producers } from './producers.ts';
import { type Random, between, oneOf, randomFrom } from './random.ts';
import { type Calling, type CallingStrikes, strikeBank, strikeWorker } from './workers/calling-strikes.ts';

/** What was done to whom. */
export interface Restarts {
  broker: number;
  database: number;
  producers: number;
  /** Producers frozen for a while. */
  freezes: number;
  /** Database sessions killed on the server. */
  sessions: number;
}

export interface NemesisOptions {
  readonly seed: number;
  readonly stack: NativeStack;
  readonly producers: Producers;
  readonly ledger: Ledger;
  /** Missing where nobody calls anybody. */
  readonly calling: Calling | undefined;
  readonly onNews: (line: string) => void;
}

/** Kills and restarts everything at random until it is told to stop; one course of events for each kind, so that they overlap. */
export class Nemesis {
  readonly restarts: Restarts = { broker: 0, database: 0, producers: 0, freezes: 0, sessions: 0 };
  readonly callingStrikes: CallingStrikes = { workerRestarts: 0, workerFreezes: 0, bankResets: 0, bankOutages: 0 };
  /** When the database was away. */
  readonly databaseOutages: { readonly from: number; readonly to: number }[] = [];
  readonly #options: NemesisOptions;
  /** No further strike. */
  readonly #stop = new AbortController();
  /** Nothing is brought up again either. */
  readonly #halt = new AbortController();
  #courses: Promise<void>[] = [];

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  start(): void {
    this.#courses = [
      this.#course('broker', [12_000, 30_000], (random) => this.#restartServer('broker', random)),
      this.#course('database', [6_000, 16_000], (random) => this.#restartServer('database', random)),
      this.#course('producers', [1_500, 5_000], (random) => this.#strikeProducer(random)),
      this.#course('sessions', [1_000, 4_000], (random) => this.#killSessions(random)),
    ];
    const { calling, onNews } = this.#options;
    if (calling === undefined) return;
    const tools = { strikes: this.callingStrikes, onNews, wait: (ms: number) => this.#wait(ms) };
    this.#courses.push(
      this.#course('workers', [2_000, 7_000], (random) => strikeWorker(calling, random, tools)),
      this.#course('bank', [4_000, 14_000], (random) => strikeBank(calling, random, tools)),
    );
  }

  /** No further strike; resolves when what was struck down is up again. Rejects when something could not be brought up. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#courses);
    this.#options.producers.heal();
    this.#options.calling?.workers.heal();
  }

  /** At once, whatever is down; for a run that is given up. Never rejects. Idempotent. */
  async halt(): Promise<void> {
    this.#stop.abort();
    this.#halt.abort(new Error('the nemesis was halted'));
    await Promise.allSettled(this.#courses);
  }

  /** Rejects as soon as something could not be brought up again. */
  get failed(): Promise<never> {
    return new Promise((_, reject) => {
      for (const course of this.#courses) course.catch(reject);
    });
  }

  async #course(name: string, pauseMs: readonly [number, number], strike: (random: Random) => Promise<void>): Promise<void> {
    const random = randomFrom('nemesis', this.#options.seed, name);
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await sleep(between(random, pauseMs), undefined, { signal }).catch(() => {});
      if (!signal.aborted) await strike(random);
    }
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#halt.signal }).catch(() => {});
  }

  async #restartServer(name: 'broker' | 'database', random: Random): Promise<void> {
    const server = this.#options.stack[name];
    this.#options.onNews(`kill -9 ${name}`);
    const from = Date.now();
    server.kill('SIGKILL');
    await server.waitForExit();
    await this.#wait(between(random, [0, 3_000]));
    await server.start(this.#halt.signal);
    this.restarts[name] += 1;
    if (name === 'database') this.databaseOutages.push({ from, to: Date.now() });
    this.#options.onNews(`${name} is up again`);
  }

  async #strikeProducer(random: Random): Promise<void> {
    const { producers, onNews } = this.#options;
    const index = Math.floor(random() * producers.size);
    const how = oneOf(random, ['kill', 'kill', 'kill', 'freeze', 'freeze', 'replace']);
    const freezeMs = between(random, [500, 6_000]);
    if (!producers.isReady(index)) return;
    onNews(
      how === 'freeze'
        ? `SIGSTOP producer-${index + 1} for ${freezeMs} ms`
        : how === 'kill'
          ? `kill -9 producer-${index + 1}`
          : `SIGTERM producer-${index + 1}`,
    );
    if (how === 'freeze') {
      producers.freeze(index, true);
      await this.#wait(freezeMs);
      producers.freeze(index, false);
      this.restarts.freezes += 1;
      return;
    }
    await (how === 'kill' ? producers.killAndRestart(index) : producers.replace(index));
    this.restarts.producers += 1;
  }

  async #killSessions(random: Random): Promise<void> {
    const most = between(random, [1, 4]);
    const pick = (ids: readonly number[]): number[] =>
      Array.from({ length: Math.min(most, ids.length) }, () => ids[Math.floor(random() * ids.length)]!);
    // The database may be down.
    this.restarts.sessions += await this.#options.ledger.killSessions(pick).catch(() => 0);
  }
}
