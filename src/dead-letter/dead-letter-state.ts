/**
 * Where a dead letter stands. OPEN waits for somebody; REPLAYING is claimed by a replay, which has sent it or is about
 * to; REPLAYED is back in its topic; DISCARDED and RESOLVED are ends: the message is given up, or its business is done.
 */
export type DeadLetterState = 'OPEN' | 'REPLAYING' | 'REPLAYED' | 'DISCARDED' | 'RESOLVED';

export const DEAD_LETTER_STATES: readonly DeadLetterState[] = ['OPEN', 'REPLAYING', 'REPLAYED', 'DISCARDED', 'RESOLVED'];

/**
 * The only moves there are. REPLAYING → REPLAYING is a replay that takes over from one whose process died; REPLAYING →
 * OPEN one that was not sent; REPLAYED → OPEN a message that died again after its replay.
 */
const TRANSITIONS: Readonly<Record<DeadLetterState, readonly DeadLetterState[]>> = {
  OPEN: ['REPLAYING', 'DISCARDED', 'RESOLVED'],
  REPLAYING: ['REPLAYING', 'REPLAYED', 'OPEN'],
  REPLAYED: ['OPEN'],
  DISCARDED: [],
  RESOLVED: [],
};

export const canTransition = (from: DeadLetterState, to: DeadLetterState): boolean => TRANSITIONS[from].includes(to);

/** Whether nothing can change the state any more. */
export const isFinal = (state: DeadLetterState): state is 'DISCARDED' | 'RESOLVED' => TRANSITIONS[state].length === 0;

/** A state with what belongs to it alone. */
export type DeadLetterStanding =
  | { readonly state: 'OPEN' }
  /** The claim ends in `leaseMs`; at 0 or below its process is taken for dead and anybody may go on. */
  | { readonly state: 'REPLAYING'; readonly leaseMs: number }
  | {
      readonly state: 'REPLAYED' | 'DISCARDED' | 'RESOLVED';
      readonly decidedBy: string;
      readonly decidedAt: Date;
      readonly decisionReason: string | undefined;
    };
