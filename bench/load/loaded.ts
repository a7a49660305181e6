/** What one round of load came to; a line of JSON from the process that bore it. */
export interface Loaded {
  /** Asked for: a saturating loop's number, or an open loop's rate times its length. */
  readonly orders: number;
  readonly failed: number;
  /** Until all was done, what runs on behind the caller's back (END) included. */
  readonly wallMs: number;
  /** Processor time of this process alone, user and system. */
  readonly cpuUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Orders begun and not resolved at the middle and at the end of an open loop: one that grows is a rate not sustained. 0 in a closed loop. */
  readonly openAtMiddle: number;
  readonly openAtEnd: number;
  readonly rssBytes: number;
  /** Questions the broker has asked since the process began. */
  readonly checks: number;
}
