/** What people on call are told of. Each kind says in the docs what to do about it. */
export type AlertKind =
  | 'circuit-opened'
  | 'connect-timeouts'
  | 'dead-letter'
  | 'unknown-needs-review'
  | 'check-budget-low'
  | 'foreign-owner'
  | 'clock-offset'
  | 'transaction-in-doubt'
  | 'saga-parked'
  | 'nobody-responsible';

/** One thing that needs a person, now or soon. Holds names, ids and figures, never a value of a message, a request or an answer. */
export interface Alert {
  readonly kind: AlertKind;
  /** `critical`: money or messages stand still until somebody acts. `warning`: it may mend itself. */
  readonly severity: 'critical' | 'warning';
  /** What it is about: an origin, a topic, a call. Alerts of one kind and subject are told once in a while, and counted. */
  readonly subject: string;
  /** A sentence for a person. */
  readonly summary: string;
  readonly details: Readonly<Record<string, string | number | undefined>>;
  readonly at: Date;
  /** How many of the same kind and subject were not told since the last one. */
  readonly repeated: number;
}

/**
 * Takes an alert somewhere. May reject: it is logged and the alert counts as told. Called one at a time, in the order of
 * the alerts; aborts with `signal` when the process closes.
 */
export type AlertSink = (alert: Alert, signal: AbortSignal) => Promise<void>;
