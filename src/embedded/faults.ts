import type { EndedTransaction, SendRejection } from './fault-switches.ts';

/** What a test may break. Each stays broken until `restore()`, unless it says how often. */
export interface EmbeddedBrokerFaults {
  /** The next END, or so many, is answered OK and has no effect: the check-back must find the truth. */
  loseNextEnd(times?: number): void;
  /** Every END the predicate names is lost like that, until the returned function is called. */
  loseEnds(predicate: (end: EndedTransaction) => boolean): () => void;
  /** Finished transactions are recorded this much later, so that they are asked about although they are decided. */
  delayOps(ms: number): void;
  /** The proxy restarts: no END finds its half any more, until a check-back reminds it. */
  forgetTransactions(): void;
  /** Every client's telemetry stream breaks: with an error, or `silently`, so that questions vanish and nobody notices. */
  cutTelemetry(options?: { readonly silently?: boolean }): void;
  /** Asks every client to connect anew, as a proxy does before it goes down. */
  askToReconnect(): void;
  /** The next delivery, or so many, is made to a second consumer as well. */
  duplicateDeliveries(times?: number): void;
  /** The next check-back, or so many, is asked twice. */
  duplicateChecks(times?: number): void;
  /** Sends fail; with `stored` the message is kept although the answer is an error. */
  rejectSends(rejection?: SendRejection): void;
  /** Every answer is this late, by the broker's clock. */
  latencyMs(ms: number): void;
  /**
   * The process dies: connections break, and what was not flushed is lost. With a `file` that is what was never answered;
   * without one only memory that does not survive a restart is lost. Nothing can connect until `recover()`.
   */
  crash(): Promise<void>;
  /** Starts again on the same port with what was flushed. */
  recover(): Promise<void>;
  /** Ends all of the above but a crash. */
  restore(): void;
}
