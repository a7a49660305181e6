import { ProtobufReader } from './protobuf-reader.ts';
import { delimitedSize, numberSize, ProtobufWriter, stringSize } from './protobuf-writer.ts';
import { GRPC_PREFIX_BYTES, writeGrpcPrefix } from './grpc-frame.ts';
import { readStatus, type ResponseStatus } from './response-status.ts';

/** What a send puts on the wire; field numbers below are those of `definition.proto`. */
export interface MessageToSend {
  readonly topic: string;
  readonly tag: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly messageId: string;
  /** Of the protocol's `MessageType`. */
  readonly messageType: number;
  readonly queueId: number;
  readonly bornHost: string;
  /** Milliseconds since the epoch. */
  readonly bornAt: number;
  readonly deliverAt?: number | undefined;
}

export interface SendResult {
  readonly status: ResponseStatus | undefined;
  readonly messageId: string;
  readonly transactionId: string;
}

/** `Encoding.IDENTITY` and `Code.OK` of the protocol. */
const IDENTITY = 1;
const OK = 20_000;

/** A `SendMessageRequest` of one message, behind the five bytes gRPC wants before it. */
export function encodeSendMessage(message: MessageToSend): Buffer {
  const systemSize = systemPropertiesSize(message);
  const messageSize = topLevelSize(message, systemSize);
  const size = delimitedSize(messageSize);
  const writer = new ProtobufWriter(Buffer.allocUnsafe(GRPC_PREFIX_BYTES + size), GRPC_PREFIX_BYTES);
  writeGrpcPrefix(writer.buffer, size);
  writer.startMessage(1, messageSize);
  writer.startMessage(1, stringSize(message.topic));
  writer.string(2, message.topic);
  for (const [name, value] of Object.entries(message.properties)) {
    writer.startMessage(2, stringSize(name) + stringSize(value));
    writer.string(1, name);
    writer.string(2, value);
  }
  writer.startMessage(3, systemSize);
  writeSystemProperties(writer, message);
  if (message.body.length > 0) writer.bytes(4, message.body);
  return writer.buffer;
}

function topLevelSize({ topic, properties, body }: MessageToSend, systemSize: number): number {
  let size = delimitedSize(stringSize(topic)) + delimitedSize(systemSize);
  for (const [name, value] of Object.entries(properties)) size += delimitedSize(stringSize(name) + stringSize(value));
  return body.length > 0 ? size + delimitedSize(body.length) : size;
}

function systemPropertiesSize({ tag, keys, messageId, messageType, bornAt, bornHost, deliverAt, queueId }: MessageToSend): number {
  let size = numberSize(IDENTITY) + numberSize(messageType) + numberSize(queueId);
  size += stringSize(messageId) + stringSize(bornHost) + delimitedSize(timestampSize(bornAt));
  if (tag !== '') size += stringSize(tag);
  for (const key of keys) size += stringSize(key);
  return deliverAt === undefined ? size : size + delimitedSize(timestampSize(deliverAt));
}

function writeSystemProperties(writer: ProtobufWriter, message: MessageToSend): void {
  const { tag, keys, messageId, messageType, bornAt, bornHost, deliverAt, queueId } = message;
  if (tag !== '') writer.string(1, tag);
  for (const key of keys) writer.string(2, key);
  writer.string(3, messageId);
  writer.number(5, IDENTITY);
  writer.number(6, messageType);
  writeTimestamp(writer, 7, bornAt);
  writer.string(8, bornHost);
  if (deliverAt !== undefined) writeTimestamp(writer, 11, deliverAt);
  writer.number(13, queueId);
}

const seconds = (at: number): number => Math.floor(at / 1_000);
const nanos = (at: number): number => (at % 1_000) * 1_000_000;
const timestampSize = (at: number): number => numberSize(seconds(at)) + numberSize(nanos(at));

function writeTimestamp(writer: ProtobufWriter, field: number, at: number): void {
  writer.startMessage(field, timestampSize(at));
  writer.number(1, seconds(at));
  writer.number(2, nanos(at));
}

/** The answer to a send of one message: the refusal of its entry goes before the status of the whole. Without an entry the ids are empty. */
export function decodeSendResult(bytes: Buffer): SendResult {
  const reader = new ProtobufReader(bytes);
  let status: ResponseStatus | undefined;
  let entry: SendResult = { status: undefined, messageId: '', transactionId: '' };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) status = readStatus(reader.message());
    else if (field === 2) entry = readEntry(reader.message());
    else reader.skip();
  }
  const isRefused = entry.status !== undefined && entry.status.code !== OK;
  return isRefused ? entry : { ...entry, status };
}

function readEntry(reader: ProtobufReader): SendResult {
  let status: ResponseStatus | undefined;
  let messageId = '';
  let transactionId = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) status = readStatus(reader.message());
    else if (field === 2) messageId = reader.string();
    else if (field === 3) transactionId = reader.string();
    else reader.skip();
  }
  return { status, messageId, transactionId };
}
