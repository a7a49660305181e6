import { eventChannels } from '../shared/event-channels.ts';
import type { StopReason } from '../errors.ts';

/** What every event names: the capture, and so its row in `binlog_position`. */
interface CaptureEvent {
  readonly name: string;
}

/** One message on its way. */
export interface CaptureMessageEvent extends CaptureEvent {
  readonly transactionId: string;
  readonly correlationId: string;
  readonly topic: string;
}

/** What readers of the binlog tell, on `node:diagnostics_channel`, under `checkback:cdc:<event>`. Subscribers run synchronously and must not throw. */
export interface CaptureDiagnostics {
  /** This process reads from here on, and no other. `connectionId`: of the server's thread that sends the binlog. */
  reading: CaptureEvent & { readonly file: string; readonly position: number; readonly connectionId: number };
  /** Another process reads, and this one waits for its turn. */
  standby: CaptureEvent;
  /** The broker has stored the message; the position does not say so yet. */
  sent: CaptureMessageEvent & { readonly messageId: string; readonly attempt: number };
  /** Not confirmed; tried again in `retryInMs`. Nothing behind it is sent meanwhile, but what is in the same batch. */
  failed: CaptureMessageEvent & { readonly error: unknown; readonly attempt: number; readonly retryInMs: number };
  /** The broker refuses the message for good, and everything waits for a person. */
  held: CaptureMessageEvent & { readonly error: unknown };
  /** The broker refuses the message for good; it was put aside for a person. */
  parked: CaptureMessageEvent & { readonly error: unknown };
  /** Everything before is sent, and that is written down. */
  position: CaptureEvent & { readonly file: string; readonly position: number; readonly gtidSet: string | undefined };
  /** How long ago what was just sent was committed, by the database's clock in whole seconds. */
  lag: CaptureEvent & { readonly lagMs: number };
  /** A statement that changes a table whose rows are messages. */
  ddl: CaptureEvent & { readonly statement: string };
  /** The connection was lost, or the server could not be asked; tried again in `retryInMs`. */
  trouble: CaptureEvent & { readonly error: unknown; readonly retryInMs: number };
  /** Reads nothing more until somebody has acted and the process is started again. Nothing is skipped. */
  stopped: CaptureEvent & { readonly reason: StopReason; readonly error: unknown };
}

const channels = eventChannels<CaptureDiagnostics>('checkback:cdc', {
  reading: true,
  standby: true,
  sent: true,
  failed: true,
  held: true,
  parked: true,
  position: true,
  lag: true,
  ddl: true,
  trouble: true,
  stopped: true,
});

export const emitCaptureEvent = channels.emit;
/** Listens to one kind of event of the whole process; returns how to stop. */
export const onCaptureEvent = channels.on;
