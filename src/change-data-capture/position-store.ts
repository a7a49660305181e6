import type { OutgoingMessage } from '../broker/message.ts';
import type { StoredPosition } from './row-change.ts';

/** A position, and the proof that this reader alone may move it. */
export interface ClaimedPosition {
  readonly position: StoredPosition;
  readonly fence: number;
}

/** Port to the durable positions, one a capture. */
export interface PositionStore {
  /** Writes the first position down unless there is one; `first` is asked only then. Safe to call from several processes at once. */
  ensure(name: string, first: () => Promise<StoredPosition>): Promise<void>;
  /** `undefined` when there is none. */
  load(name: string): Promise<StoredPosition | undefined>;
  /** Makes every earlier claim void. Rejects when there is no position. */
  claim(name: string, reader: string): Promise<ClaimedPosition>;
  /** False when somebody has claimed it since; nothing is written then. */
  save(name: string, fence: number, position: StoredPosition): Promise<boolean>;
}

/** Port to the place for messages that the broker refuses for good. */
export interface ParkingLot {
  /**
   * Resolved means durable. `seq` is the message's place in its binlog transaction, so that parking it again, after a crash,
   * changes nothing.
   */
  park(message: OutgoingMessage, seq: number, reason: string): Promise<void>;
}

/** Whose turn it is to read. A lock that was lost unnoticed is no fence: the position's claim is. */
export interface Turn {
  /** False when it is another's. */
  take(): Promise<boolean>;
  /** Idempotent; never rejects. */
  release(): Promise<void>;
}
