import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { runAfterOurDeath } from '../../src/cli/stack/lifeline.ts';

const READ_EVERY_MS = 50;

export interface ReportingProcessOptions<Report> {
  readonly name: string;
  /** Path of the module it runs; its settings are its first argument, as JSON. */
  readonly module: string;
  readonly settings: object & { readonly reportFile: string };
  readonly logFile: string;
  readonly onReport: (report: Report) => void;
  /** It ended although nobody ended it. */
  readonly onCrash: (how: string) => void;
}

/** One life of a process that reports in JSON lines, `ready` among them, seen from outside. It cannot outlive us, stopped or not. */
export class ReportingProcess<Report extends { readonly kind: string }> {
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

  constructor({ name, module, settings, logFile, onReport, onCrash }: ReportingProcessOptions<Report>) {
    this.name = name;
    this.#onReport = onReport;
    writeFileSync(settings.reportFile, '');
    this.#file = openSync(settings.reportFile, 'r');
    const log = openSync(logFile, 'a');
    // A process group of its own: Ctrl-C reaches us alone, and we end the rest.
    this.#child = spawn(process.execPath, [module, JSON.stringify(settings)], { stdio: ['pipe', log, log], detached: true });
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
        if (!this.#isAskedToEnd) onCrash(`${name} ${how} although nobody ended it; its log is ${logFile}`);
        resolve();
      };
      this.#child.once('error', (error) => onEnd(`could not be run: ${error.message}`));
      this.#child.once('exit', (code, signal) => onEnd(signal === null ? `exited with code ${code}` : `was ended by ${signal}`));
    });
    this.#reading = setInterval(() => this.#read(), READ_EVERY_MS);
  }

  /** A line on its standard input. */
  give(line: object): void {
    this.#child.stdin!.write(`${JSON.stringify(line)}\n`);
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

  /** Asks it to finish what is running; false when it took too long and was killed. */
  async end(patienceMs: number): Promise<boolean> {
    if (this.hasEnded) return true;
    this.#isAskedToEnd = true;
    this.stop(false);
    this.#child.kill('SIGTERM');
    let isPatient = true;
    const timer = setTimeout(() => {
      isPatient = false;
      this.kill();
    }, patienceMs);
    await this.ended;
    clearTimeout(timer);
    return isPatient;
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
