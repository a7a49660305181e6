import { constants, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { status as grpcStatus } from '@grpc/grpc-js';
import { GrpcFailure, GrpcProtocolError, NotSentError } from './grpc-failure.ts';

/** Many times what a receipt needs. */
const MAX_BYTES = 1024 * 1024;

/** As gRPC reads an HTTP status that came without a status of its own (`http-grpc-status-mapping.md`): a server in between that is busy. */
const BUSY_HTTP_STATUSES = new Set([429, 502, 503, 504]);

/** Resets that say we do not understand each other, rather than that something went wrong. */
const PROTOCOL_RESETS = new Set<number>([
  constants.NGHTTP2_PROTOCOL_ERROR,
  constants.NGHTTP2_FLOW_CONTROL_ERROR,
  constants.NGHTTP2_FRAME_SIZE_ERROR,
  constants.NGHTTP2_COMPRESSION_ERROR,
  constants.NGHTTP2_INADEQUATE_SECURITY,
  constants.NGHTTP2_HTTP_1_1_REQUIRED,
]);

/** Collects what comes back on one stream, and says in the end what it amounts to. */
export class GrpcAnswer {
  #isBegun = false;
  #refused: Error | undefined;
  #status: string | undefined;
  #details = '';
  #body: Buffer | undefined;
  #error: Error | undefined;
  #resetCode: number | undefined;

  /** Called with the first headers. An answer without a body has its status in them. */
  headers(headers: IncomingHttpHeaders & IncomingHttpStatusHeader, isLast: boolean): void {
    this.#isBegun = true;
    const httpStatus = headers[':status'] ?? 0;
    if (httpStatus !== 200) {
      this.#refused = BUSY_HTTP_STATUSES.has(httpStatus)
        ? new GrpcFailure(grpcStatus.UNAVAILABLE, `HTTP status ${httpStatus}`)
        : new GrpcProtocolError(`HTTP status ${httpStatus}`);
    } else if (headers['content-type']?.startsWith('application/grpc') !== true) {
      this.#refused = new GrpcProtocolError(`an answer of type ${JSON.stringify(headers['content-type'])}`);
    }
    if (isLast) this.trailers(headers);
  }

  /** False: more than we are prepared to take. */
  data(chunk: Buffer): boolean {
    this.#body = this.#body === undefined ? chunk : Buffer.concat([this.#body, chunk]);
    if (this.#body.length <= MAX_BYTES) return true;
    this.#refused ??= new GrpcProtocolError(`an answer of more than ${MAX_BYTES} bytes`);
    this.#body = undefined;
    return false;
  }

  trailers(trailers: IncomingHttpHeaders): void {
    this.#status = text(trailers['grpc-status']);
    this.#details = percentDecoded(text(trailers['grpc-message']) ?? '');
  }

  broken(error: Error): void {
    this.#error ??= error;
  }

  closed(resetCode: number | undefined): void {
    this.#resetCode = resetCode;
  }

  /** Nothing that is still to come can change the result. */
  get isComplete(): boolean {
    return this.#status === '0' ? this.#body !== undefined && isWhole(this.#body) : this.#status !== undefined;
  }

  /** The body, or what to reject with. */
  result(): Buffer | Error {
    // gRPC's own word counts, whatever HTTP said around it.
    if (this.#status !== undefined && this.#status !== '0') {
      const code = /^\d+$/.test(this.#status) ? Number(this.#status) : grpcStatus.UNKNOWN;
      return new GrpcFailure(code, this.#details);
    }
    if (this.#refused !== undefined) return this.#refused;
    if (this.#status === '0') return this.#body ?? Buffer.alloc(0);
    return this.#reset();
  }

  #reset(): Error {
    const code = this.#resetCode ?? constants.NGHTTP2_NO_ERROR;
    const options = this.#error === undefined ? undefined : { cause: this.#error };
    // RFC 9113 §8.7: no part of the request was processed. A stream above the last one a GOAWAY names ends like this too.
    if (code === constants.NGHTTP2_REFUSED_STREAM) return new NotSentError('the server did not take the call', options);
    if (PROTOCOL_RESETS.has(code)) return new GrpcProtocolError(`the stream was reset with code ${code}`, options);
    if (code === constants.NGHTTP2_NO_ERROR && this.#isBegun) return new GrpcProtocolError('an answer without a gRPC status');
    return new GrpcFailure(grpcStatus.UNAVAILABLE, `the stream was reset with code ${code}`, options);
  }
}

const isWhole = (body: Buffer): boolean => body.length >= 5 && body.length === body.readUInt32BE(1) + 5;

const text = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

function percentDecoded(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
