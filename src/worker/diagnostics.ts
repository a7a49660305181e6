import { eventChannels } from '../shared/event-channels.ts';
import { operationChannels, type TraceCarrier } from '../shared/operation-channels.ts';

/** Which listener of which worker speaks. */
interface ListenerEvent {
  readonly listener: string;
  readonly topic: string;
  readonly group: string;
}

/** One delivery of a message. */
export interface DeliveryEvent extends ListenerEvent {
  readonly messageId: string;
  readonly correlationId: string;
  readonly deliveryAttempt: number;
}

/**
 * What a worker tells, on `node:diagnostics_channel`, under `checkback:worker:<name>`. Subscribers run synchronously at
 * the moment it happens and must not throw; nothing is computed when nobody listens.
 */
export interface WorkerDiagnostics {
  /** A delivery was taken from the broker. */
  received: DeliveryEvent;
  /**
   * The broker knows what became of a delivery: acknowledged; coming again (`retry`); kept by the dead-letter sink
   * (`buried`); dead without a sink and postponed (`deadLetter`); given back by a closing worker (`handBack`).
   * `unsettled`: it did not confirm, and the message comes again when its lease ends.
   */
  settled: DeliveryEvent & {
    readonly disposition: 'ack' | 'retry' | 'buried' | 'deadLetter' | 'handBack' | 'unsettled';
    readonly reason: string | undefined;
    /** From receiving to settling. */
    readonly tookMs: number;
  };
  /** A message counts as dead, with or without a sink to keep it. */
  'dead-lettered': DeliveryEvent & { readonly reason: string; readonly error: unknown };
  /** A listener receives nothing any more because its institution is not to be called; what it holds waits. */
  paused: ListenerEvent & { readonly origin: string };
  resumed: ListenerEvent & { readonly origin: string };
  /** A message may come to another worker while it is still being worked here. */
  'lease-lost': DeliveryEvent & { readonly error: unknown };
  /** A worker has closed. */
  drained: { readonly finished: number; readonly handedBack: number; readonly unsettled: number };
}

const channels = eventChannels<WorkerDiagnostics>('checkback:worker', {
  received: true,
  settled: true,
  'dead-lettered': true,
  paused: true,
  resumed: true,
  'lease-lost': true,
  drained: true,
});

export const emitWorkerEvent = channels.emit;
/** Listens to one kind of event of the whole process; returns how to stop. */
export const onWorkerEvent = channels.on;

/** What of a worker takes time, on `node:diagnostics_channel` under `checkback:worker:<name>`; the events above are told inside. */
export interface WorkerOperations {
  /** One delivery from its receiving to its settling; `trace` is what the message carries. */
  delivery: DeliveryEvent & { readonly trace: TraceCarrier; readonly bornAt: Date | undefined };
}

const operations = operationChannels<WorkerOperations>('checkback:worker', { delivery: true });

export const runWorkerOperation = operations.run;
/** Is told of each operation of the whole process as it begins; returns how to stop. */
export const onWorkerOperation = operations.on;
