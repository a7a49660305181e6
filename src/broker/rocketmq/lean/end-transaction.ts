import { GRPC_PREFIX_BYTES, writeGrpcPrefix } from './grpc-frame.ts';
import { ProtobufReader } from './protobuf-reader.ts';
import { delimitedSize, numberSize, ProtobufWriter, stringSize } from './protobuf-writer.ts';
import { readStatus, type ResponseStatus } from './response-status.ts';

export interface TransactionEnd {
  readonly topic: string;
  readonly messageId: string;
  readonly transactionId: string;
  /** Of the protocol's `TransactionResolution`. */
  readonly resolution: number;
  /** Of the protocol's `TransactionSource`. */
  readonly source: number;
}

/** An `EndTransactionRequest`, behind the five bytes gRPC wants before it. */
export function encodeEndTransaction({ topic, messageId, transactionId, resolution, source }: TransactionEnd): Buffer {
  const topicSize = stringSize(topic);
  const size = delimitedSize(topicSize) + stringSize(messageId) + stringSize(transactionId) + numberSize(resolution) + numberSize(source);
  const writer = new ProtobufWriter(Buffer.allocUnsafe(GRPC_PREFIX_BYTES + size), GRPC_PREFIX_BYTES);
  writeGrpcPrefix(writer.buffer, size);
  writer.startMessage(1, topicSize);
  writer.string(2, topic);
  writer.string(2, messageId);
  writer.string(3, transactionId);
  writer.number(4, resolution);
  writer.number(5, source);
  return writer.buffer;
}

/** `undefined` when the broker said nothing, which counts as OK. */
export function decodeEndStatus(bytes: Buffer): ResponseStatus | undefined {
  const reader = new ProtobufReader(bytes);
  let status: ResponseStatus | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) status = readStatus(reader.message());
    else reader.skip();
  }
  return status;
}
