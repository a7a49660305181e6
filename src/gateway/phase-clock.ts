import { performance } from 'node:perf_hooks';
import type { PhaseTimes, TimeoutPhase } from './exchange.ts';
import type { CallTimeouts } from './external-call.ts';

/** Whoever is told that time is up. Objects and plain functions throughout: an exchange should cost few closures. */
export interface PhaseOwner {
  /** Called at most once, and not after `stop()`. */
  onLate(reason: 'timeout' | 'deadline'): void;
}

/** Times the phases of one exchange, and says when one of them, or all together, took too long. */
export class PhaseClock {
  readonly #timeouts: CallTimeouts;
  readonly #owner: PhaseOwner;
  readonly #startedAt = performance.now();
  #phase: TimeoutPhase = 'connect';
  #isStopped = false;
  #phaseEndsAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #writingAt = 0;
  #writtenAt = 0;
  #headersAt = 0;

  /** Starts no timer yet. */
  constructor(timeouts: CallTimeouts, owner: PhaseOwner) {
    this.#timeouts = timeouts;
    this.#owner = owner;
  }

  get phase(): TimeoutPhase {
    return this.#phase;
  }

  /** The headers of the answer have come. */
  get isAnswering(): boolean {
    return this.#headersAt > 0;
  }

  /** What time is up for by now, whether or not a timer has come to say so. */
  get #late(): 'timeout' | 'deadline' | undefined {
    const now = performance.now();
    // Node's timers may be early by a fraction of a millisecond.
    if (now + 1 >= this.#startedAt + this.#timeouts.totalMs) return 'deadline';
    return now + 1 >= this.#phaseEndsAt ? 'timeout' : undefined;
  }

  start(): void {
    this.#giveUpIn(this.#timeouts.connectMs);
  }

  /**
   * The first byte is about to leave: from here on the request counts as sent. False when it must not, time being up,
   * which the owner has been told then: a process that was stopped wakes up connected, and its lease may be over.
   */
  beginWriting(): boolean {
    const late = this.#late;
    if (late) {
      this.#owner.onLate(late);
      return false;
    }
    this.#phase = 'write';
    this.#writingAt = performance.now();
    this.#giveUpIn(this.#timeouts.writeMs);
    return true;
  }

  /** The operating system has taken the last byte. Only the first word counts. */
  written(): void {
    if (this.#isStopped || this.#phase !== 'write') return;
    this.#phase = 'read';
    this.#writtenAt = performance.now();
    this.#giveUpIn(this.#timeouts.readMs);
  }

  answering(): void {
    this.written();
    this.#headersAt = performance.now();
    this.#giveUpIn(this.#timeouts.readMs);
  }

  /** A piece of the body has come. */
  heard(): void {
    this.#giveUpIn(this.#timeouts.readMs);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  times(): PhaseTimes {
    const now = performance.now();
    const between = (from: number, to: number): number | undefined => (from ? (to || now) - from : undefined);
    return {
      connectMs: (this.#writingAt || now) - this.#startedAt,
      writeMs: between(this.#writingAt, this.#writtenAt),
      headersMs: between(this.#writtenAt, this.#headersAt),
      bodyMs: between(this.#headersAt, 0),
      totalMs: now - this.#startedAt,
    };
  }

  /** Starts the time of a phase. One timer serves them all: it is moved only when it would come too late. */
  #giveUpIn(ms: number): void {
    const now = performance.now();
    this.#phaseEndsAt = now + ms;
    const at = Math.min(this.#phaseEndsAt, this.#startedAt + this.#timeouts.totalMs);
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(onTimer, at - now, this);
  }

  /** Looks whether time is up, and goes on waiting when it is not. */
  checkTime(): void {
    if (this.#isStopped) return;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const late = this.#late;
    if (late) this.#owner.onLate(late);
    else this.#giveUpIn(this.#phaseEndsAt - performance.now());
  }
}

// When this process was busy, its timers run before it reads: what has come meanwhile counts first, hence the immediate.
const onTimer = (clock: PhaseClock): void => void setImmediate(checkTime, clock);
const checkTime = (clock: PhaseClock): void => clock.checkTime();
