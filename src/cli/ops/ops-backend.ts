import type { DeadLetterStore } from '../../dead-letter/dead-letter-store.ts';
import type { StatementStore } from '../../reconciliation/statement/statement-store.ts';
import type { SagaStore } from '../../saga/saga-store.ts';
import type { AttemptEvidence } from '../../store/mysql-ops-evidence.ts';
import type { OpsLists } from '../../store/mysql-ops-lists.ts';
import type { OpsOverview } from '../../store/mysql-ops-overview.ts';
import type { OpsSearch } from '../../store/mysql-ops-search.ts';
import type { OpsStory, StoryCheck } from '../../store/ops-story.ts';
import type { LiveWorker } from '../../store/worker-heartbeat.ts';

/** What became of an action, in a sentence. */
export interface ActionResult {
  readonly isDone: boolean;
  readonly text: string;
}

/** Who decides, and why. */
export interface OpsDecision {
  readonly by: string;
  readonly reason: string;
}

/**
 * What a person may do. The same code and the same records as the commands'. Each rejects with `RangeError` or an error
 * of this package, whose message may be shown, or with the driver's.
 */
export interface OpsActions {
  decideUnknown(
    call: { readonly callName: string; readonly idempotencyKey: string; readonly to: 'SUCCESS' | 'FAIL'; readonly response: unknown },
    decision: OpsDecision,
  ): Promise<ActionResult>;
  replay(
    letter: { readonly id: number; readonly force: boolean; readonly topic: string | undefined },
    decision: OpsDecision,
  ): Promise<ActionResult>;
  decideLetter(id: number, to: 'DISCARDED' | 'RESOLVED', decision: OpsDecision): Promise<ActionResult>;
  decideBreak(id: number, to: 'RESOLVED' | 'ACCEPTED', decision: OpsDecision): Promise<ActionResult>;
  decideSaga(id: string, kind: 'retry' | 'abandon', decision: OpsDecision): Promise<ActionResult>;
}

/** The row of the business an order began with, as far as the page shows it. */
export interface BusinessRow {
  readonly source: string;
  readonly key: string;
  readonly transactionId: string | undefined;
  readonly status: string | undefined;
  readonly writtenAt: Date | undefined;
}

/** All that the page reads, and what it may do. */
export interface OpsBackend {
  /** Name of the service. */
  readonly owner: string;
  readonly search: OpsSearch;
  readonly lists: OpsLists;
  readonly letters: Pick<DeadLetterStore, 'find' | 'list' | 'history' | 'body'>;
  readonly sagas: Pick<SagaStore, 'find'>;
  readonly breaks: Pick<StatementStore, 'list' | 'history'>;
  readonly actions: OpsActions;
  /** At most a second old, however many look. */
  overview(): Promise<OpsOverview & { readonly workers: readonly LiveWorker[] }>;
  story(correlationId: string): Promise<OpsStory & { readonly rows: readonly BusinessRow[] }>;
  attempt(callId: number, attempt: number): Promise<AttemptEvidence | undefined>;
  check(callName: string, idempotencyKey: string): Promise<(StoryCheck & { readonly correlationId: string }) | undefined>;
}
