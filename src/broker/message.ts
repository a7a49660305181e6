import type { TraceCarrier } from '../shared/operation-channels.ts';

/** Properties the engine itself puts on every message it sends; the prefix is reserved. */
export const MESSAGE_PROPERTY = {
  /** The service that owns the transaction and alone may answer its check-back. */
  owner: 'checkback-owner',
  /** Name of the transaction listener inside that service. */
  listener: 'checkback-listener',
  /** Identity of the local transaction, a UUIDv7; never the broker's message id, which can collide between containers. */
  transactionId: 'checkback-tx',
  /** How the sender proves its decision: the kind of look-up a check-back must use, whatever the code says by then. */
  lookup: 'checkback-lookup',
  /** Name of the database the rows are in, for services with several. */
  database: 'checkback-database',
  /** W3C trace context, as given to `publish()`. */
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  /** Which shape the payload has; absent means 1. */
  version: 'checkback-version',
  /** Follows one order through producer, worker and institution. */
  correlationId: 'checkback-correlation-id',
} as const;

/** A message to send. `body` is opaque here; keys hold no white space, properties no control characters. */
export interface OutgoingMessage {
  readonly topic: string;
  readonly tag: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A message as the broker delivered it. */
export interface ReceivedMessage extends OutgoingMessage {
  /** The broker's id. Not an identity: two containers can make the same one. */
  readonly messageId: string;
  /** 1 at the first delivery. */
  readonly deliveryAttempt: number;
  readonly bornAt: Date | undefined;
}

/** The trace context a message carries. */
export const traceOf = ({ properties }: Pick<OutgoingMessage, 'properties'>): TraceCarrier => ({
  traceparent: properties[MESSAGE_PROPERTY.traceparent],
  tracestate: properties[MESSAGE_PROPERTY.tracestate],
});
