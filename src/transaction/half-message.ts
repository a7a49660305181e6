import { MESSAGE_PROPERTY, type OutgoingMessage } from '../broker/message.ts';
import { InvalidMessageError } from '../errors.ts';
import type { TransactionEvent } from './diagnostics.ts';
import type { HalfMessageView, Lookup } from './lookup.ts';

/** Below the broker's 4 MiB, which count the properties and the protocol's own bytes too. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024 - 64 * 1024;
/** The proxy's limit for keys, tag and properties together is 16 KiB; the broker keeps some for itself. */
const MAX_KEYS_BYTES = 8 * 1024;

const UNPRINTABLE = /[\s\p{Cc}]/u;
const CONTROL = /\p{Cc}/u;

/** Who sends, and under which ids. */
export interface HalfMessageIdentity {
  readonly owner: string;
  readonly listener: string;
  readonly transactionId: string;
  readonly correlationId: string;
  /** `outbox`: no check-back is to be answered for it. */
  readonly lookup: Lookup['kind'] | 'outbox';
  readonly database?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/** Builds the half message. Throws `InvalidMessageError` for anything the broker would refuse or mangle, before it is sent. */
export function encodeHalfMessage(
  content: { topic: string; tag: string; keys: readonly string[]; payload: unknown; version?: number },
  identity: HalfMessageIdentity,
): OutgoingMessage {
  const where = `message of listener "${identity.listener}"`;
  if (!Array.isArray(content.keys)) throw new InvalidMessageError(`${where}: keys must be an array of strings`);
  for (const key of content.keys as unknown[]) {
    // The server joins keys with spaces and splits them again.
    if (typeof key !== 'string' || key === '' || UNPRINTABLE.test(key)) {
      throw new InvalidMessageError(
        `${where}: key ${JSON.stringify(key)} must be a non-empty string without white space or control characters`,
      );
    }
  }
  if (Buffer.byteLength(content.keys.join(' ')) > MAX_KEYS_BYTES)
    throw new InvalidMessageError(`${where}: keys are longer than ${MAX_KEYS_BYTES} bytes together`);
  if (
    typeof identity.correlationId !== 'string' ||
    !identity.correlationId ||
    identity.correlationId.length > 128 ||
    CONTROL.test(identity.correlationId)
  ) {
    throw new InvalidMessageError(
      `${where}: correlation id ${JSON.stringify(identity.correlationId)} must be 1 to 128 characters without control characters`,
    );
  }
  const body = encodePayload(content.payload, where);
  if (body.byteLength > MAX_BODY_BYTES)
    throw new InvalidMessageError(`${where}: payload has ${body.byteLength} bytes, the limit is ${MAX_BODY_BYTES}`);
  return {
    topic: content.topic,
    tag: content.tag,
    keys: content.keys,
    properties: {
      [MESSAGE_PROPERTY.owner]: identity.owner,
      [MESSAGE_PROPERTY.listener]: identity.listener,
      [MESSAGE_PROPERTY.transactionId]: identity.transactionId,
      [MESSAGE_PROPERTY.correlationId]: identity.correlationId,
      [MESSAGE_PROPERTY.lookup]: identity.lookup,
      [MESSAGE_PROPERTY.version]: String(content.version ?? 1),
      ...(identity.database === undefined ? {} : { [MESSAGE_PROPERTY.database]: identity.database }),
      ...traceContext(identity, where),
    },
    body,
  };
}

/** https://www.w3.org/TR/trace-context/#traceparent-header; a bad one is refused, because a trace that breaks silently is of no use. */
const TRACEPARENT = /^[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

function traceContext({ traceparent, tracestate }: HalfMessageIdentity, where: string): Record<string, string> {
  if (traceparent === undefined) return {};
  if (!TRACEPARENT.test(traceparent))
    throw new InvalidMessageError(`${where}: traceparent ${JSON.stringify(traceparent)} is not of the form 00-<32 hex>-<16 hex>-<2 hex>`);
  if (tracestate === undefined) return { [MESSAGE_PROPERTY.traceparent]: traceparent };
  if (!TRACESTATE.test(tracestate)) throw new InvalidMessageError(`${where}: tracestate must be 1 to 512 printable characters`);
  return { [MESSAGE_PROPERTY.traceparent]: traceparent, [MESSAGE_PROPERTY.tracestate]: tracestate };
}

function encodePayload(payload: unknown, where: string): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(payload);
  } catch (error) {
    throw new InvalidMessageError(`${where}: payload cannot be written as JSON: ${(error as Error).message}`, { cause: error });
  }
  if (text === undefined) throw new InvalidMessageError(`${where}: payload must be a JSON value, got ${typeof payload}`);
  return Buffer.from(text, 'utf8');
}

/** What a look-up may see of a half message. The payload was written by this service under its own name, so it is JSON; a broken one throws. */
export function viewHalfMessage(half: OutgoingMessage): HalfMessageView {
  return {
    transactionId: half.properties[MESSAGE_PROPERTY.transactionId] ?? '',
    topic: half.topic,
    tag: half.tag,
    keys: half.keys,
    payload: JSON.parse(Buffer.from(half.body).toString('utf8')) as unknown,
  };
}

/** What names a half message on an event and a log line. */
export const eventOf = ({ topic, properties }: Pick<OutgoingMessage, 'topic' | 'properties'>): TransactionEvent => ({
  transactionId: properties[MESSAGE_PROPERTY.transactionId] ?? '',
  correlationId: properties[MESSAGE_PROPERTY.correlationId] ?? '',
  listener: properties[MESSAGE_PROPERTY.listener] ?? '',
  topic,
});
