import { type ClientHttp2Session, type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from 'node:http2';
import { status as grpcStatus } from '@grpc/grpc-js';
import { GrpcFailure, GrpcProtocolError, NotSentError } from './grpc-failure.ts';
import { unaryMessage } from './grpc-frame.ts';
import { GrpcAnswer } from './grpc-answer.ts';
import { SESSION_TRANSITIONS, type SessionEvent, type SessionState } from './session-state.ts';

export interface GrpcSessionOptions {
  /** Begins to connect. Called once, in the constructor. */
  readonly connect: () => ClientHttp2Session;
  /** The headers of a call but for its path; a new object each time. */
  readonly headers: () => OutgoingHttpHeaders;
  /** Longest a call may take, its wait for the session and for its turn included. */
  readonly timeoutMs: number;
  /** Longest the other side may take to prove that it speaks HTTP/2; no longer than a call. */
  readonly openTimeoutMs: number;
  /** Without calls for so long, the session is given up. */
  readonly idleMs: number;
  /** The session is replaced after so many: HTTP/2 numbers them, and the numbers end at 2³⁰. */
  readonly maxCalls: number;
  /** It takes no calls any more; another is to be opened for them. `refused`: none ever left, and why. */
  readonly onRetired: (refused?: Error) => void;
  /** Its connection is gone. */
  readonly onClosed: () => void;
}

interface Call {
  readonly path: string;
  readonly frame: Buffer;
  readonly begunAt: number;
  /** Infinite until then. */
  sentAt: number;
  readonly resolve: (message: Buffer) => void;
  readonly reject: (error: Error) => void;
  stream: ClientHttp2Stream | undefined;
}

/**
 * Unary gRPC calls over one HTTP/2 session. A call is sent once at most, and only after the other side has proved that it
 * speaks HTTP/2: until then, while it waits for its turn, and when the other side says that it did not look at it, a call
 * rejects with `NotSentError`. Everything else rejects with `GrpcFailure`. One timer for all: every call has the same
 * time, so the oldest is the next to be late.
 */
export class GrpcSession {
  readonly #options: GrpcSessionOptions;
  readonly #session: ClientHttp2Session;
  #socket: { destroy(): void } | undefined;
  /** Oldest first. */
  readonly #calls = new Set<Call>();
  /** Those that were not sent, oldest first; also what ended meanwhile. */
  #waiting: Call[] = [];
  #state: SessionState = 'opening';
  #streams = 0;
  #sent = 0;
  #maxStreams = 0;
  #heardAt = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GrpcSessionOptions) {
    this.#options = options;
    this.#session = options.connect();
    this.#session.once('connect', (_, socket) => (this.#socket = socket));
    this.#session.on('remoteSettings', ({ maxConcurrentStreams = Number.POSITIVE_INFINITY }) => {
      this.#maxStreams = maxConcurrentStreams;
      this.#heardAt = performance.now();
      this.#become('settings');
      this.#sendWaiting();
    });
    this.#session.on('goaway', () => this.retire());
    this.#session.on('error', (error: Error) => this.#lose(error));
    this.#session.on('close', () => {
      this.#lose(new Error('the connection was closed'));
      options.onClosed();
    });
    this.#setTimer(options.openTimeoutMs);
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The message of the answer. */
  call(path: string, frame: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'retired' || this.#state === 'closed') return reject(new NotSentError('the session takes no calls any more'));
      const call: Call = { path, frame, begunAt: performance.now(), sentAt: Number.POSITIVE_INFINITY, resolve, reject, stream: undefined };
      this.#calls.add(call);
      if (this.#state === 'open' && this.#streams < this.#maxStreams) this.#send(call);
      else this.#waiting.push(call);
    });
  }

  /** Takes no new calls, and ends with the last of those under way. Idempotent. */
  retire(): void {
    if (this.#state === 'opening') return this.#lose(new Error('given up before it was open'));
    if (this.#state !== 'open') return;
    this.#become('retire');
    this.#options.onRetired();
    this.#refuseWaiting(new Error('the session was given up'));
    this.#endWhenDone();
  }

  /** Ends the connection now; calls under way reject as cancelled. Idempotent. */
  close(): void {
    this.#lose(new GrpcFailure(grpcStatus.CANCELLED, 'Cancelled on client'));
  }

  #become(event: SessionEvent): void {
    this.#state = SESSION_TRANSITIONS[this.#state][event];
  }

  #send(call: Call): void {
    const headers = this.#options.headers();
    headers[constants.HTTP2_HEADER_PATH] = call.path;
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(headers);
    } catch (error) {
      // Closed in this very turn of the event loop, which will say so in a moment.
      this.#finish(call, new NotSentError('the session took no call', { cause: error }));
      return;
    }
    call.stream = stream;
    call.sentAt = performance.now();
    this.#streams += 1;
    this.#sent += 1;
    const answer = new GrpcAnswer();
    stream.on('response', (responseHeaders, flags) => {
      this.#heardAt = performance.now();
      answer.headers(responseHeaders, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    });
    stream.on('data', (chunk: Buffer) => {
      if (!answer.data(chunk)) stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on('trailers', (trailers) => {
      answer.trailers(trailers);
      // The message is here already unless it is large: not worth waiting for the stream to close.
      if (answer.isComplete) this.#settle(call, answer);
    });
    stream.on('error', (error) => answer.broken(error));
    stream.on('close', () => {
      this.#streams -= 1;
      answer.closed(stream.rstCode);
      this.#settle(call, answer);
      if (this.#waiting.length > 0) this.#sendWaiting();
      if (this.#state === 'retired') this.#endWhenDone();
    });
    stream.end(call.frame);
    if (this.#sent >= this.#options.maxCalls) this.retire();
  }

  #settle(call: Call, answer: GrpcAnswer): void {
    if (!this.#calls.has(call)) return;
    const result = answer.result();
    if (result instanceof Error) return this.#finish(call, result);
    try {
      const message = unaryMessage(result);
      this.#finish(call, message);
    } catch (error) {
      this.#finish(call, error as Error);
    }
  }

  #finish(call: Call, result: Buffer | Error): void {
    if (!this.#calls.delete(call)) return;
    if (result instanceof Error) call.reject(result);
    else call.resolve(result);
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#state === 'open' && this.#streams < this.#maxStreams) {
      const call = this.#waiting.shift();
      if (call !== undefined && this.#calls.has(call)) this.#send(call);
    }
  }

  #refuseWaiting(cause: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) this.#finish(call, new NotSentError('not sent', { cause }));
  }

  /** With the state it had: what a session that never opened was asked to do has certainly not been done. */
  #lose(error: Error): void {
    if (this.#state === 'closed') return;
    const wasOpening = this.#state === 'opening';
    const wasRetired = this.#state === 'retired';
    this.#become('lost');
    clearTimeout(this.#timer);
    this.#refuseWaiting(error);
    const failure = error instanceof GrpcFailure ? error : lostConnection(error);
    for (const call of this.#calls) this.#finish(call, failure);
    if (!wasRetired) this.#options.onRetired(wasOpening || failure instanceof GrpcProtocolError ? failure : undefined);
    this.#session.destroy();
    // After a GOAWAY the session would wait for the other side to close as well.
    this.#socket?.destroy();
  }

  #endWhenDone(): void {
    if (this.#calls.size === 0 && this.#streams === 0) this.#lose(new Error('the session was given up'));
  }

  #setTimer(ms: number): void {
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(1, ms));
  }

  #onTimer(): void {
    const now = performance.now();
    if (this.#state === 'opening') return this.#lose(new Error(`no HTTP/2 settings within ${this.#options.openTimeoutMs} ms`));
    this.#expire(now);
    if (this.#state === 'closed') return;
    const [oldest] = this.#calls;
    if (oldest !== undefined) return this.#setTimer(oldest.begunAt + this.#options.timeoutMs - now);
    const idleFor = now - this.#heardAt;
    if (idleFor >= this.#options.idleMs) this.retire();
    else this.#setTimer(Math.min(this.#options.timeoutMs, this.#options.idleMs - idleFor));
  }

  #expire(now: number): void {
    for (const call of this.#calls) {
      if (call.begunAt + this.#options.timeoutMs > now) break;
      const { stream } = call;
      const late = new GrpcFailure(grpcStatus.DEADLINE_EXCEEDED, 'Deadline exceeded');
      this.#finish(call, late);
      stream?.close(constants.NGHTTP2_CANCEL);
      // Not one word since it was sent: the connection may be cut. The next call gets a new one.
      if (stream !== undefined && this.#heardAt < call.sentAt) this.retire();
    }
  }
}

function lostConnection(error: Error): GrpcFailure {
  // The other side speaks something that is not HTTP/2 as we know it.
  if ((error as NodeJS.ErrnoException).code === 'ERR_HTTP2_ERROR') return new GrpcProtocolError(error.message, { cause: error });
  return new GrpcFailure(grpcStatus.UNAVAILABLE, `connection lost: ${error.message}`, { cause: error });
}
