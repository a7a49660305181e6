import type { CallStatus } from '../../gateway/call-status.ts';
import type { BreakKind, BreakStanding } from './break-state.ts';
import type { TheirStatus } from './define-statement.ts';

/** What the institution says. */
export interface TheirFigures {
  readonly line: number;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly status: TheirStatus;
  readonly bookedAt: Date | undefined;
}

/** What our rows say. */
export interface OurFigures {
  readonly amountMinor: bigint;
  readonly currency: string;
  /** Of the call; `undefined` when none was made. */
  readonly status: CallStatus | undefined;
}

/** A difference as it is found. */
export interface FoundBreak {
  readonly kind: BreakKind;
  readonly reference: string;
  /** Tells the duplicates of a line apart, from 1; 0 for all other kinds. */
  readonly occurrence: number;
  readonly theirs: TheirFigures | undefined;
  readonly ours: OurFigures | undefined;
  readonly isLate: boolean;
}

/** A difference on record. */
export interface StatementBreak extends Omit<FoundBreak, 'isLate'> {
  readonly id: number;
  readonly statement: string;
  readonly day: string;
  readonly callName: string;
  readonly standing: BreakStanding;
  readonly foundAt: Date;
}

/** One thing that happened to a break; only ever added. */
export interface BreakAction {
  readonly action: 'FOUND' | 'REOPENED' | 'RESOLVED' | 'ACCEPTED';
  readonly by: string;
  readonly at: Date;
  readonly why: string;
}
