import type { BinlogPoint, CommittedTransaction, StoredPosition } from './row-change.ts';

/** Where a capture begins that has no position yet: with what is committed from now on, with the oldest the server has, or at a place between two transactions. */
export type CaptureFrom = 'now' | 'oldest' | { readonly file: string; readonly position: number };

/** How a place is found again. */
export type ResumePoint = { readonly by: 'file' | 'gtid'; readonly point: BinlogPoint };

/** A server's binlog being read. */
export interface OpenLog {
  /** Of the server's thread that sends it. */
  readonly connectionId: number;
  /**
   * What was committed, in order: everything that has come since the last batch. Reads ahead only so far, and lets the
   * server wait then. Rejects with `CaptureStoppedError` for what cannot be read rightly, after everything before it was
   * given, and with anything else when the connection is lost. Ends with the signal.
   */
  batches(): AsyncIterable<readonly CommittedTransaction[]>;
  /** Idempotent; never rejects; nothing is left alive. */
  close(): Promise<void>;
}

/** Port to a server's binlog. */
export interface ChangeLog {
  /** Refuses, with `ConfigurationError`, a server whose binlog does not hold what is needed, or an account that may not read it. */
  check(): Promise<void>;
  /** Where to begin. Rejects with `ConfigurationError` for a place the server does not have. */
  first(from: CaptureFrom): Promise<StoredPosition>;
  /** Where to go on. Rejects with `CaptureStoppedError` when the place is gone: nothing is ever skipped. */
  resume(position: StoredPosition): Promise<ResumePoint & { readonly server: string }>;
  open(from: ResumePoint, signal: AbortSignal): Promise<OpenLog>;
}
