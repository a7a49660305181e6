import { GrpcProtocolError } from './grpc-failure.ts';

/** A flag that says whether what follows is compressed, and its length. */
export const GRPC_PREFIX_BYTES = 5;

export function writeGrpcPrefix(buffer: Buffer, size: number): void {
  buffer[0] = 0;
  buffer.writeUInt32BE(size, 1);
}

/** The one message of a unary answer. Throws `GrpcProtocolError` when it is anything else. */
export function unaryMessage(body: Buffer): Buffer {
  if (body.length < GRPC_PREFIX_BYTES) throw new GrpcProtocolError(`an answer of ${body.length} bytes without a message`);
  // We say that we take `identity` only.
  if (body[0] !== 0) throw new GrpcProtocolError('a compressed answer, which was not asked for');
  const size = body.readUInt32BE(1);
  if (size !== body.length - GRPC_PREFIX_BYTES) {
    throw new GrpcProtocolError(`a message of ${size} bytes in an answer that has ${body.length - GRPC_PREFIX_BYTES}`);
  }
  return body.subarray(GRPC_PREFIX_BYTES);
}
