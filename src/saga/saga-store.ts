import type { EntityManager } from '@mikro-orm/core';
import type { ClaimedSaga, SagaInstance } from './saga-instance.ts';
import type { SagaStatus } from './saga-status.ts';
import type { StepDirection, StepStatus } from './step-status.ts';

/** What one event does to an instance and to the step it is at; one transaction. */
export interface SagaChange {
  readonly step: {
    readonly step: number;
    readonly name: string;
    readonly direction: StepDirection;
    readonly status: StepStatus;
    readonly failures: number;
    readonly round: number;
    readonly asked: number;
    /** JSON. */
    readonly result: string | undefined;
    readonly error: string | undefined;
  };
  readonly to: {
    readonly status: SagaStatus;
    readonly step: number;
    readonly direction: StepDirection;
    readonly error: string | undefined;
    /** Not before this: the lease ends at once. `undefined` goes on under the lease, unless the status is no longer active. */
    readonly afterMs: number | undefined;
  };
  /** Ends this call as FAIL in the same transaction, so that no runner that was stopped in its tracks can make it any more. */
  readonly giveUp?: { readonly callName: string; readonly key: string } | undefined;
}

/**
 * `lost`: the instance has moved on under another runner, or by this very change; nothing was written. `in-progress`: the
 * call to be given up is being made, or has an outcome; nothing was written.
 */
export type RecordResult = 'recorded' | 'lost' | 'in-progress';

/** Which sagas a runner knows: it is given no others. */
export interface KnownSaga {
  readonly name: string;
  readonly version: number;
  readonly fingerprint: string;
}

/** Instances that wait for a runner that knows their definition. */
export interface UnknownDefinition extends KnownSaga {
  readonly instances: number;
}

/** A person's decision about a parked saga. */
export interface SagaDecision {
  readonly kind: 'retry' | 'resume' | 'abandon';
  /** Who decided. */
  readonly by: string;
  readonly why: string;
}

/** What a person sees of a saga. Times in UTC. */
export interface SagaSummary {
  readonly id: string;
  readonly saga: string;
  readonly version: number;
  readonly status: SagaStatus;
  /** The step it is at, or stopped at. */
  readonly stepName: string | undefined;
  readonly direction: StepDirection;
  readonly error: string | undefined;
  readonly correlationId: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/**
 * Keeps sagas and their steps. Safe for concurrent use from many processes; time for leases and pauses is the database's.
 * Every method rejects with the driver's error when the database does not do its part.
 */
export interface SagaStore {
  /** Takes due instances of known sagas, oldest due first, each for `leaseMs` and for exactly one caller. Waits for nobody. */
  claim(known: readonly KnownSaga[], limit: number, leaseMs: number): Promise<readonly ClaimedSaga[]>;
  /**
   * Writes that an attempt at the current step begins (its number in the answer) and holds the lease for `leaseMs` from
   * now. `undefined` when the instance is not ours any more: nothing may be done.
   */
  begin(claimed: ClaimedSaga, step: { step: number; name: string; direction: StepDirection }, leaseMs: number): Promise<number | undefined>;
  /**
   * Applies a change if the instance is still ours and as we know it. With `em` in that transaction, which is the caller's
   * to commit; when lost there, the result alone is kept for whoever comes next.
   */
  record(claimed: ClaimedSaga, change: SagaChange, em?: EntityManager): Promise<RecordResult>;
  /**
   * Runs `work` and records the change it makes in one transaction, the instance locked before `work` begins. `lost`
   * when it is not ours any more: `work` has not run then, or is undone. Rejects with what `work` threw, undone.
   */
  recordWith(claimed: ClaimedSaga, work: (em: EntityManager) => Promise<SagaChange>): Promise<RecordResult>;
  /** Ends the lease without a change: the next runner goes on at once. */
  release(claimed: ClaimedSaga): Promise<void>;
  /** The instance as it is now; `undefined` when it is not ours any more. */
  reload(claimed: ClaimedSaga): Promise<ClaimedSaga | undefined>;
  /** Due instances that nobody with these sagas may run. */
  unknownDefinitions(known: readonly KnownSaga[]): Promise<readonly UnknownDefinition[]>;
  /**
   * Applies a person's decision to a PARKED instance and writes it down, in one transaction. `decide` is given the
   * instance under lock. `undefined` when there is none of that id. Rejects with what `decide` throws, nothing changed.
   */
  decide(
    id: string,
    decision: SagaDecision,
    decide: (instance: SagaInstance) => SagaChange & { readonly settleCall?: SettleCall | undefined },
  ): Promise<SagaInstance | undefined>;
  find(id: string): Promise<(SagaInstance & { readonly decisions: readonly (SagaDecision & { readonly at: Date })[] }) | undefined>;
  /** Instances by status; a status without any is 0. */
  countByStatus(): Promise<Readonly<Record<SagaStatus, number>>>;
  /** Oldest change first, at most `limit` (default 100). */
  list(status: SagaStatus, limit?: number): Promise<readonly SagaSummary[]>;
}

/** Makes a call of a parked step what a person says it is. */
export interface SettleCall {
  readonly callName: string;
  readonly key: string;
  readonly to: 'SUCCESS' | 'FAIL';
}
