import { withDeadline } from '../shared/deadline.ts';
import { type AlertOptions, resolveAlertOptions } from './alert-options.ts';
import { type RaisedAlert, watchEvents } from './alert-rules.ts';
import { type Alert, type AlertSink } from './alert.ts';

/** Subjects remembered so that they are not told again too soon. */
const MAX_SUBJECTS = 10_000;

/** Alerting that runs. */
export interface Alerts {
  /** Raises nothing more, gives what is queued `deadlineMs` (default 5 s) to leave, then aborts it. Idempotent; never rejects. */
  close(deadlineMs?: number): Promise<void>;
}

/**
 * Watches what the engine of this process tells and takes alerts to the sinks, each at its own pace and in order. Never
 * in the way: raising costs no I/O, and a sink that fails, hangs or cannot keep up costs only its own alerts.
 * Throws `RangeError` naming a wrong option.
 */
export function startAlerts(options: AlertOptions): Alerts {
  const { sinks, repeatAfterMs, maxQueued, logger, clock, ...rules } = resolveAlertOptions(options);
  const outlets = sinks.map((sink) => new Outlet(sink, maxQueued, (fields, text) => logger.error(fields, text)));
  const told = new Map<string, { at: number; repeated: number }>();

  const raise = (raised: RaisedAlert): void => {
    const now = clock.now();
    const key = `${raised.kind} ${raised.subject}`;
    const last = told.get(key);
    if (last !== undefined && now - last.at < repeatAfterMs) {
      last.repeated += 1;
      return;
    }
    const alert: Alert = Object.freeze({ ...raised, at: new Date(now), repeated: last?.repeated ?? 0 });
    told.delete(key);
    told.set(key, { at: now, repeated: 0 });
    if (told.size > MAX_SUBJECTS) told.delete(told.keys().next().value!);
    for (const outlet of outlets) outlet.push(alert);
  };

  const stop = watchEvents(rules, clock, raise);
  let closing: Promise<void> | undefined;
  return {
    close: (deadlineMs = 5_000) =>
      (closing ??= (async () => {
        stop();
        await Promise.all(outlets.map((outlet) => outlet.close(deadlineMs)));
      })()),
  };
}

/** One sink and its queue. */
class Outlet {
  readonly #sink: AlertSink;
  readonly #maxQueued: number;
  readonly #complain: (fields: object, text: string) => void;
  readonly #queue: Alert[] = [];
  readonly #closed = new AbortController();
  #draining: Promise<void> | undefined;

  constructor(sink: AlertSink, maxQueued: number, complain: (fields: object, text: string) => void) {
    this.#sink = sink;
    this.#maxQueued = maxQueued;
    this.#complain = complain;
  }

  push(alert: Alert): void {
    if (this.#queue.length >= this.#maxQueued) {
      this.#complain({ kind: alert.kind, subject: alert.subject }, 'alert dropped: its sink does not keep up');
      return;
    }
    this.#queue.push(alert);
    this.#draining ??= this.#drain();
  }

  async close(deadlineMs: number): Promise<void> {
    const late = (): Error => new Error('not told in time');
    await withDeadline(this.#draining ?? Promise.resolve(), deadlineMs, late).catch((error: unknown) => {
      this.#complain({ queued: this.#queue.length }, 'alerts dropped: the process closes');
      this.#queue.length = 0;
      this.#closed.abort(error);
    });
  }

  async #drain(): Promise<void> {
    for (let alert = this.#queue.shift(); alert !== undefined; alert = this.#queue.shift()) {
      try {
        await this.#sink(alert, this.#closed.signal);
      } catch (error) {
        this.#complain({ kind: alert.kind, subject: alert.subject, error }, 'alert could not be told');
      }
    }
    this.#draining = undefined;
  }
}
