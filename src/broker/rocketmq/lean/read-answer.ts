import { GrpcProtocolError } from './grpc-failure.ts';
import type { LeanCalls } from './lean-calls.ts';

/** Decodes an answer. What cannot be decoded is as foreign as what is no gRPC: the address is not asked like this again. */
export function readAnswer<Answer>(lean: LeanCalls, address: string, bytes: Buffer, decode: (bytes: Buffer) => Answer): Answer {
  try {
    return decode(bytes);
  } catch (cause) {
    const error = new GrpcProtocolError(`the answer cannot be read: ${(cause as Error).message}`, { cause });
    lean.distrust(address, error);
    throw error;
  }
}
