/**
 * Did the other side (broker, database, institution) act on what was asked?
 * `maybe` is the honest answer after a lost reply and never licenses a blind retry.
 */
export type Acted = 'no' | 'maybe' | 'yes';

/** What every error of this package can answer: a stable `code`, whether the other side acted, whether trying again is allowed. */
export abstract class CheckbackError extends Error {
  abstract readonly code: `CB_${string}`;
  /** Whether the other side may have acted before the error arose. */
  abstract readonly acted: Acted;
  /** Whether the same request may be made again as it is, without asking anybody first. */
  abstract readonly retryable: boolean;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, { cause: options?.cause });
    this.name = new.target.name;
  }
}

// --- configuration and input -------------------------------------------------------------------------------------

/** An option, a name or an environment setting is wrong. Raised at start, before anything is sent or written. */
export class ConfigurationError extends CheckbackError {
  readonly code = 'CB_CONFIGURATION';
  readonly acted = 'no';
  readonly retryable = false;
}

/** The input of a `publish()` or the content of a message cannot be carried as it is. Raised before anything is sent or written. */
export class InvalidMessageError extends CheckbackError {
  readonly code = 'CB_INVALID_MESSAGE';
  readonly acted = 'no';
  readonly retryable = false;
}

// --- broker ------------------------------------------------------------------------------------------------------

/** The broker could not be reached, or refused, while starting, receiving or acknowledging. */
export class BrokerError extends CheckbackError {
  readonly code = 'CB_BROKER';
  readonly acted = 'maybe';
  readonly retryable: boolean;

  constructor(message: string, options: { cause?: unknown; retryable: boolean }) {
    super(message, options);
    this.retryable = options.retryable;
  }
}

// --- publishing --------------------------------------------------------------------------------------------------

/**
 * The half message could not be stored for certain. No local transaction has run and none will under this transaction
 * id; should the broker have stored the half after all, its check-back is answered ROLLBACK.
 */
export class HalfMessageError extends CheckbackError {
  readonly code = 'CB_HALF_MESSAGE';
  readonly acted = 'no';
  readonly retryable: boolean;

  constructor(message: string, options: { cause?: unknown; retryable: boolean }) {
    super(message, options);
    this.retryable = options.retryable;
  }
}

/** The local transaction was rolled back: it never committed and its message is never delivered. */
export class LocalTransactionError extends CheckbackError {
  readonly code = 'CB_LOCAL_TRANSACTION';
  readonly acted = 'no';
  readonly retryable = false;
  /** `threw`: the listener or a statement failed; `declined`: the listener returned ROLLBACK; `refused`: the database refused the COMMIT. */
  readonly reason: 'threw' | 'declined' | 'refused';

  constructor(message: string, options: { cause?: unknown; reason: 'threw' | 'declined' | 'refused' }) {
    super(message, options);
    this.reason = options.reason;
  }
}

/**
 * COMMIT was sent and its answer was lost, and the row could not be looked up either. The broker will ask, and its
 * check-back finds the truth; until then nobody knows, so the caller must not repeat the order under a new key.
 */
export class TransactionInDoubtError extends CheckbackError {
  readonly code = 'CB_TRANSACTION_IN_DOUBT';
  readonly acted = 'maybe';
  readonly retryable = false;
  readonly transactionId: string;

  constructor(message: string, options: { cause?: unknown; transactionId: string }) {
    super(message, options);
    this.transactionId = options.transactionId;
  }
}

/**
 * The rows were committed and the message could not be kept, so it will not be delivered by itself: of the strategy
 * `localSegmentedOutbox` alone. Either the listener's `compensate` has undone the rows since, or they stand and
 * reconciliation is to find them.
 */
export class MessageNotKeptError extends CheckbackError {
  readonly code = 'CB_MESSAGE_NOT_KEPT';
  readonly acted: Acted;
  readonly retryable: boolean;
  readonly transactionId: string;
  /** Whether the rows were undone. */
  readonly isCompensated: boolean;

  constructor(message: string, options: { cause?: unknown; transactionId: string; isCompensated: boolean }) {
    super(message, options);
    this.transactionId = options.transactionId;
    this.isCompensated = options.isCompensated;
    this.acted = options.isCompensated ? 'no' : 'yes';
    this.retryable = options.isCompensated;
  }
}

/**
 * The log of the strategy `localSegmentedOutbox` does not take a message. `full`: not before some of it is drained.
 * `broken`: its disk failed, and nothing is taken until it is opened anew. `not-kept`: this very append failed; with
 * `acted: 'maybe'` its bytes could not be taken back either, so that the message may be sent nevertheless.
 */
export class SegmentedLogError extends CheckbackError {
  readonly code = 'CB_SEGMENTED_LOG';
  readonly acted: Acted;
  readonly retryable: boolean;
  readonly reason: 'full' | 'broken' | 'not-kept';

  constructor(message: string, options: { cause?: unknown; reason: 'full' | 'broken' | 'not-kept'; acted?: Acted }) {
    super(message, options);
    this.reason = options.reason;
    this.acted = options.acted ?? 'no';
    this.retryable = options.reason === 'full';
  }
}

/** The database gave no connection, or lost it, before the local transaction could start. Nothing was written. */
export class DatabaseUnavailableError extends CheckbackError {
  readonly code = 'CB_DATABASE_UNAVAILABLE';
  readonly acted = 'no';
  readonly retryable = true;
}

/** `publish()` was called inside a transaction somebody else opened: the decision would not be the publisher's. */
export class ForeignTransactionError extends CheckbackError {
  readonly code = 'CB_FOREIGN_TRANSACTION';
  readonly acted = 'no';
  readonly retryable = false;
}

/** The publisher, gateway or worker is closing or closed and takes no new work. */
export class ClosedError extends CheckbackError {
  readonly code = 'CB_CLOSED';
  readonly acted = 'no';
  readonly retryable = false;
}

// --- external calls ----------------------------------------------------------------------------------------------

/** No usable connection within `connectMs`: DNS, TCP and TLS together. Nothing was sent. */
export class ConnectTimeoutError extends CheckbackError {
  readonly code = 'CB_CONNECT_TIMEOUT';
  readonly acted = 'no';
  readonly retryable = true;
}

/** Name resolution, connection or TLS failed at once. Nothing was sent. */
export class ConnectError extends CheckbackError {
  readonly code = 'CB_CONNECT';
  readonly acted = 'no';
  readonly retryable = true;
}

/** The request body was not fully written in time. A correct server cannot have acted on it; prove it before trying again. */
export class WriteTimeoutError extends CheckbackError {
  readonly code = 'CB_WRITE_TIMEOUT';
  readonly acted = 'maybe';
  readonly retryable = false;
}

/** The request was sent; headers did not come, or the body stalled. Ask the institution before anything else. */
export class ReadTimeoutError extends CheckbackError {
  readonly code = 'CB_READ_TIMEOUT';
  readonly acted = 'maybe';
  readonly retryable = false;
}

/** The connection died after bytes of the request had left. Ask the institution before anything else. */
export class ConnectionLostError extends CheckbackError {
  readonly code = 'CB_CONNECTION_LOST';
  readonly acted = 'maybe';
  readonly retryable = false;
}

/** The total time of a call ran out, or its caller cancelled it, in the phase named by `phase`. */
export class DeadlineError extends CheckbackError {
  readonly code = 'CB_DEADLINE';
  readonly acted: Acted;
  readonly retryable: boolean;
  readonly phase: 'connect' | 'write' | 'read';

  constructor(message: string, options: { cause?: unknown; phase: 'connect' | 'write' | 'read' }) {
    super(message, options);
    this.phase = options.phase;
    this.acted = options.phase === 'connect' ? 'no' : 'maybe';
    this.retryable = options.phase === 'connect';
  }
}

/** The institution answered and refused for good. */
export class CallRejectedError extends CheckbackError {
  readonly code = 'CB_CALL_REJECTED';
  readonly acted = 'no';
  readonly retryable = false;
}

/** The institution answered that it did not take the request for now (408, 425, 429, 503). */
export class CallUnavailableError extends CheckbackError {
  readonly code = 'CB_CALL_UNAVAILABLE';
  readonly acted = 'no';
  readonly retryable = true;
  /** Not before this many milliseconds from now; bounded by the call's policy. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options?: { cause?: unknown; retryAfterMs?: number | undefined }) {
    super(message, options);
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** An answer that a gateway in between may have made up (502, 504, …) or that cannot be understood: the outcome is unknown. */
export class UnknownOutcomeError extends CheckbackError {
  readonly code = 'CB_UNKNOWN_OUTCOME';
  readonly acted = 'maybe';
  readonly retryable = false;
}

/** The request record could not be written, so the call was not made. */
export class AuditUnavailableError extends CheckbackError {
  readonly code = 'CB_AUDIT_UNAVAILABLE';
  readonly acted = 'no';
  readonly retryable = true;
}

/** Another attempt with the same idempotency key is in progress, here or in another process; this call sent nothing. */
export class CallInFlightError extends CheckbackError {
  readonly code = 'CB_CALL_IN_FLIGHT';
  readonly acted = 'no';
  readonly retryable = true;
}

/** The institution has failed too often of late, so calls to it are held back for a while; this one was neither recorded nor sent. */
export class CircuitOpenError extends CheckbackError {
  readonly code = 'CB_CIRCUIT_OPEN';
  readonly acted = 'no';
  readonly retryable = true;
  /** Until the institution is tried again, in milliseconds from now. */
  readonly retryAfterMs: number;

  constructor(message: string, options: { cause?: unknown; retryAfterMs: number }) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Our own limit on concurrent calls or on calls per second had no room in time; this call was neither recorded nor sent. */
export class CallThrottledError extends CheckbackError {
  readonly code = 'CB_CALL_THROTTLED';
  readonly acted = 'no';
  readonly retryable = true;
  /** When there may be room, in milliseconds from now. */
  readonly retryAfterMs: number;
  readonly limit: 'concurrency' | 'rate';

  constructor(message: string, options: { cause?: unknown; retryAfterMs: number; limit: 'concurrency' | 'rate' }) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
    this.limit = options.limit;
  }
}

// --- change data capture -----------------------------------------------------------------------------------------

/**
 * Why a reader of the binlog stopped. `position-lost`: the server has no such place any more. `server-changed`: it is another
 * server, and nothing says which place of its binlog is meant. `schema`: rows do not fit the entity. `mapping`: a row message
 * threw. `unreadable`: the binlog holds something that cannot be read rightly. `not-permitted`: the account may not read it.
 */
export type StopReason = 'position-lost' | 'server-changed' | 'schema' | 'mapping' | 'unreadable' | 'not-permitted';

/** The binlog cannot be read on without skipping something, so it is not read on: a person has to act. What was sent before stays sent. */
export class CaptureStoppedError extends CheckbackError {
  readonly code = 'CB_CAPTURE_STOPPED';
  readonly acted = 'no';
  readonly retryable = false;
  readonly reason: StopReason;

  constructor(message: string, options: { cause?: unknown; reason: StopReason }) {
    super(message, options);
    this.reason = options.reason;
  }
}

// --- sagas -------------------------------------------------------------------------------------------------------

/** Thrown by a local step of a saga: it had no effect and trying again is no use. An action's saga compensates then. */
export class StepRejectedError extends CheckbackError {
  readonly code = 'CB_STEP_REJECTED';
  readonly acted = 'no';
  readonly retryable = false;
}

/** A saga is not what the caller takes it for: the id is taken by another one, or it is not parked. Nothing was changed. */
export class SagaConflictError extends CheckbackError {
  readonly code = 'CB_SAGA_CONFLICT';
  readonly acted = 'no';
  readonly retryable = false;
}

// --- reconciliation ----------------------------------------------------------------------------------------------

/** A settlement statement that cannot be trusted: truncated, in another encoding, or with lines that cannot be read. Nothing was compared or written. */
export class StatementRefusedError extends CheckbackError {
  readonly code = 'CB_STATEMENT_REFUSED';
  readonly acted = 'no';
  readonly retryable = false;
  /** The first of them; `line` is 0 where it is no line that is wrong. */
  readonly problems: readonly { readonly line: number; readonly why: string }[];

  constructor(problems: readonly { readonly line: number; readonly why: string }[], options?: { cause?: unknown }) {
    const [first] = problems;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    super(`statement refused: ${first?.line ? `line ${first.line}: ` : ''}${first?.why ?? 'it cannot be read'}${more}`, options);
    this.problems = problems;
  }
}
