/** What a listener of a worker has done since it started. Counters only grow; `inFlight` is the present number. */
export interface ListenerStats {
  /** Deliveries taken from the broker. */
  readonly received: number;
  /** Acknowledged: SUCCESS, FAIL, UNKNOWN, handled, processed, or of another tag. */
  readonly acked: number;
  /** Postponed for another attempt. */
  readonly retried: number;
  /** Kept by the dead-letter sink and acknowledged. */
  readonly deadLettered: number;
  /** Dead, without a sink: postponed towards the broker's `%DLQ%<group>`. */
  readonly parked: number;
  /** Given back unfinished, because the worker was closing. */
  readonly handedBack: number;
  /** The broker did not confirm an acknowledgement or a postponement: redelivered when the lease ends. */
  readonly unsettled: number;
  readonly receiveErrors: number;
  /** Deliveries being worked now. */
  readonly inFlight: number;
}

/** The sum over a worker's listeners, and each of them by name. */
export interface WorkerStats extends ListenerStats {
  readonly listeners: Readonly<Record<string, ListenerStats>>;
}

/** The counters of one listener, as the pipeline counts. */
export type Counters = { -readonly [Counter in keyof ListenerStats]: number };

export const newCounters = (): Counters => ({
  received: 0,
  acked: 0,
  retried: 0,
  deadLettered: 0,
  parked: 0,
  handedBack: 0,
  unsettled: 0,
  receiveErrors: 0,
  inFlight: 0,
});

/** A snapshot: later counting does not change it. */
export const snapshot = (listeners: ReadonlyMap<string, Counters>): WorkerStats => {
  const total = newCounters();
  for (const counters of listeners.values()) {
    for (const counter of Object.keys(total) as (keyof Counters)[]) total[counter] += counters[counter];
  }
  return { ...total, listeners: Object.fromEntries([...listeners].map(([name, counters]) => [name, { ...counters }])) };
};
