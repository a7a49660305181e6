import { eventChannels } from '../shared/event-channels.ts';

/** What every event about one message of a log names. */
export interface LoggedMessageEvent {
  readonly directory: string;
  readonly number: number;
  readonly transactionId: string;
  readonly correlationId: string;
  readonly topic: string;
}

/** What logs and their drains tell, on `node:diagnostics_channel`, under `checkback:segmented-log:<name>`. Subscribers run synchronously and must not throw. */
export interface SegmentedLogDiagnostics {
  /** The directory was read; `waiting` messages of whoever had it before are still to be sent. */
  opened: { readonly directory: string; readonly waiting: number; readonly parked: number; readonly tookMs: number };
  /** Bytes that are no record were found and put aside; `lost` records were acknowledged and are gone. */
  damaged: { readonly directory: string; readonly file: string; readonly from: number; readonly bytes: number; readonly lost: number };
  /** One write, and one sync if each append waits for it. */
  appended: { readonly directory: string; readonly messages: number; readonly bytes: number; readonly tookMs: number };
  /** The disk failed: nothing more is appended. */
  broken: { readonly directory: string; readonly error: unknown };
  /** The broker has stored the message; the cursor does not say so yet. */
  sent: LoggedMessageEvent & { readonly messageId: string; readonly attempt: number };
  /** Not confirmed; tried again in `retryInMs`. */
  failed: LoggedMessageEvent & { readonly error: unknown; readonly attempt: number; readonly retryInMs: number };
  /** The broker refused it for good: a person decides. */
  parked: LoggedMessageEvent & { readonly error: unknown };
  /** How far the log is drained is durable, and segments that had served their purpose are gone. */
  stored: { readonly directory: string; readonly next: number; readonly deletedSegments: number };
}

const channels = eventChannels<SegmentedLogDiagnostics>('checkback:segmented-log', {
  opened: true,
  damaged: true,
  appended: true,
  broken: true,
  sent: true,
  failed: true,
  parked: true,
  stored: true,
});

export const emitSegmentedLogEvent = channels.emit;
/** Listens to one kind of event of the whole process; returns how to stop. */
export const onSegmentedLogEvent = channels.on;
