import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runAfterOurDeath } from '../../src/cli/stack/lifeline.ts';
import type { ProducerSettings, Report } from './reports.ts';

const MODULE = fileURLToPath(new URL('producer.child.ts', import.meta.url));
const READ_EVERY_MS = 50;

/** One life of a producer, seen from outside. It cannot outlive us, stopped or not. */
export class ProducerProcess {
  readonly name: string;
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #file: number;
  readonly #onReport: (report: Report) => void;
  readonly #reading: NodeJS.Timeout;
  readonly #buffer = Buffer.alloc(256 * 1024);
  #rest = '';
  #isAskedToEnd = false;
  isReady = false;
  isStopped = false;
  hasEnded = false;

  constructor(settings: ProducerSettings, logFile: string, on: { report(report: Report): void; crash(how: string): void }) {
    this.name = settings.name;
    this.#onReport = on.report;
    writeFileSync(settings.reportFile, '');
    this.#file = openSync(settings.reportFile, 'r');
    const log = openSync(logFile, 'a');
    // A process group of its own: Ctrl-C reaches us alone, and we end the rest.
    this.#child = spawn(process.execPath, [MODULE, JSON.stringify(settings)], { stdio: ['pipe', log, log], detached: true });
    closeSync(log);
    this.#child.stdin!.on('error', () => {});
    const callOff = this.#child.pid === undefined ? () => {} : runAfterOurDeath(`kill -9 -${this.#child.pid}`);
    this.ended = new Promise((resolve) => {
      const onEnd = (how: string): void => {
        if (this.hasEnded) return;
        callOff();
        // What it wrote before it died is all there.
        this.#read();
        clearInterval(this.#reading);
        closeSync(this.#file);
        this.hasEnded = true;
        this.isReady = false;
        if (!this.#isAskedToEnd) on.crash(`${settings.name} ${how} although nobody ended it; its log is ${logFile}`);
        resolve();
      };
      this.#child.once('error', (error) => onEnd(`could not be run: ${error.message}`));
      this.#child.once('exit', (code, signal) => onEnd(signal === null ? `exited with code ${code}` : `was ended by ${signal}`));
    });
    this.#reading = setInterval(() => this.#read(), READ_EVERY_MS);
  }

  give(numbers: readonly number[]): void {
    this.#child.stdin!.write(`${JSON.stringify({ numbers })}\n`);
  }

  kill(): void {
    this.#isAskedToEnd = true;
    this.#child.kill('SIGKILL');
  }

  /** Freezes it, or lets it go on. */
  stop(isStopped: boolean): void {
    this.isStopped = isStopped;
    this.#child.kill(isStopped ? 'SIGSTOP' : 'SIGCONT');
  }

  /** Asks it to finish what is running; it is killed when it takes too long. */
  async end(patienceMs: number): Promise<void> {
    if (this.hasEnded) return;
    this.#isAskedToEnd = true;
    this.stop(false);
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), patienceMs);
    await this.ended;
    clearTimeout(timer);
  }

  #read(): void {
    if (this.hasEnded) return;
    for (;;) {
      const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, null);
      if (length === 0) return;
      const lines = (this.#rest + this.#buffer.toString('utf8', 0, length)).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) {
        const report = JSON.parse(line) as Report;
        if (report.kind === 'ready') this.isReady = true;
        this.#onReport(report);
      }
    }
  }
}
