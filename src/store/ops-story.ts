import type { AttemptTimes } from './mysql-ops-evidence.ts';
import type { OpsCall } from './mysql-ops-search.ts';

/** Everything the engine's tables know about one order. */
export interface OpsStory {
  readonly correlationId: string;
  readonly calls: readonly OpsCall[];
  readonly attempts: readonly StoryAttempt[];
  readonly checks: readonly StoryCheck[];
  readonly sagas: readonly StorySaga[];
  readonly letters: readonly StoryLetter[];
  readonly items: readonly StoryItem[];
  readonly breaks: readonly StoryBreak[];
  readonly handled: readonly { readonly listener: string; readonly idempotencyKey: string; readonly at: Date }[];
  readonly outbox: readonly StoryOutboxRow[];
  readonly markers: readonly { readonly transactionId: string; readonly isCommitted: boolean }[];
  readonly rescues: readonly StoryRescue[];
  /** Transactions that belong to it: as messages name them, and as the caller did. */
  readonly transactionIds: readonly string[];
  /** One of the lists is longer than what is shown. */
  readonly isCut: boolean;
}

export interface StoryAttempt {
  readonly callId: number;
  readonly attempt: number;
  readonly origin: string;
  readonly method: string;
  readonly path: string;
  readonly openedAt: Date;
  /** `undefined` while it is under way, and for ever when its worker died. */
  readonly response:
    | {
        readonly status: string;
        readonly httpStatus: number | undefined;
        readonly failedPhase: string | undefined;
        readonly errorCode: string | undefined;
        readonly times: AttemptTimes;
        readonly closedAt: Date;
      }
    | undefined;
}

export interface StoryCheck {
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly listener: string;
  readonly state: string;
  readonly unknownSince: Date;
  readonly nextCheckAt: Date;
  readonly checks: number;
  readonly lastSaid: string | undefined;
  readonly lastErrorCode: string | undefined;
  readonly outcome: string | undefined;
  readonly decidedBy: string | undefined;
  readonly decisionReason: string | undefined;
  readonly doneAt: Date | undefined;
}

export interface StorySaga {
  readonly id: string;
  readonly saga: string;
  readonly version: number;
  readonly status: string;
  readonly createdAt: Date;
  readonly endedAt: Date | undefined;
  readonly error: string | undefined;
  readonly steps: readonly {
    readonly step: number;
    readonly name: string;
    readonly direction: string;
    readonly status: string;
    readonly attempts: number;
    readonly error: string | undefined;
    readonly startedAt: Date;
    readonly updatedAt: Date;
  }[];
  readonly decisions: readonly { readonly kind: string; readonly by: string; readonly why: string; readonly at: Date }[];
}

export interface StoryLetter {
  readonly id: number;
  readonly topic: string;
  readonly listener: string | undefined;
  readonly reason: string;
  readonly state: string;
  readonly history: readonly { readonly action: string; readonly by: string; readonly at: Date; readonly why: string | undefined }[];
}

export interface StoryItem {
  readonly runId: number;
  readonly callName: string;
  readonly idempotencyKey: string;
  readonly verdict: string | undefined;
  readonly why: string | undefined;
  readonly at: Date;
}

export interface StoryBreak {
  readonly id: number;
  readonly statement: string;
  readonly day: string;
  readonly kind: string;
  readonly reference: string;
  readonly state: string;
  readonly history: readonly { readonly action: string; readonly by: string; readonly at: Date; readonly why: string }[];
}

export interface StoryOutboxRow {
  readonly id: number;
  readonly transactionId: string;
  readonly topic: string;
  readonly state: string;
  readonly attempts: number;
  readonly lastError: string | undefined;
  readonly decidedBy: string | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface StoryRescue {
  readonly messageId: string;
  readonly topic: string;
  readonly transactionId: string;
  readonly by: string;
  readonly at: Date;
}
