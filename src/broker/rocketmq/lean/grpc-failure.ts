import { status } from '@grpc/grpc-js';

/** A call that did not come to an answer of the broker, worded and numbered as by the gRPC library. */
export class GrpcFailure extends Error {
  override readonly name: string = 'GrpcFailure';
  /** Of gRPC: 14 is UNAVAILABLE. */
  readonly code: number;

  constructor(code: number, details: string, options?: ErrorOptions) {
    super(`${code} ${status[code] ?? 'UNKNOWN'}: ${details}`, options);
    this.code = code;
  }
}

/** What came back is not gRPC as we know it: the address is left to the official client from then on. */
export class GrpcProtocolError extends GrpcFailure {
  override readonly name = 'GrpcProtocolError';

  constructor(what: string, options?: ErrorOptions) {
    super(status.INTERNAL, what, options);
  }
}

/** Certain that no server has seen the call: it may be made again in another way. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError';
}
