import { systemClock } from '../shared/clock.ts';
import type { Clock } from '../shared/clock.ts';
import { silentLogger } from '../shared/logger.ts';
import type { Logger } from '../shared/logger.ts';
import type { AlertRules } from './alert-rules.ts';
import type { AlertSink } from './alert.ts';

export interface AlertOptions extends Partial<AlertRules> {
  /** Where alerts go; each gets every alert, and a slow one holds up no other. */
  readonly sinks: readonly AlertSink[];
  /** Alerts of one kind and subject are told once in this time, and counted in between. Default 300,000 (5 minutes). */
  readonly repeatAfterMs?: number;
  /** Alerts that wait for a slow sink; beyond it the newest are dropped, with an error in the log. Default 1,000. */
  readonly maxQueued?: number;
  /** Default: says nothing. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export const DEFAULT_ALERT_OPTIONS = Object.freeze({
  connectTimeouts: 5,
  windowMs: 60_000,
  repeatAfterMs: 300_000,
  maxQueued: 1_000,
  logger: silentLogger,
  clock: systemClock,
});

/** Merges with the defaults, checks and freezes. Throws `RangeError` naming the option and its value. */
export function resolveAlertOptions(options: AlertOptions): Required<AlertOptions> {
  const resolved = { ...DEFAULT_ALERT_OPTIONS, ...options };
  for (const name of ['connectTimeouts', 'windowMs', 'repeatAfterMs', 'maxQueued'] as const) {
    const value = resolved[name];
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`alerts: ${name} must be a whole number of at least 1, got ${value}`);
  }
  return Object.freeze(resolved);
}
