import { type ClientHttp2Stream, constants } from 'node:http2';
import type { Exchange, FailureReason, RawAnswer } from './exchange.ts';
import type { HttpExchangeOptions } from './http-exchange.ts';
import type { Http2Session, Http2Sessions } from './http2-sessions.ts';
import { PhaseClock } from './phase-clock.ts';
import { plainError } from './plain-error.ts';
import type { PreparedRequest } from './prepare-request.ts';

/**
 * Sends a request as one stream and reads its answer. Never rejects; sends nothing twice. node:http2 and not undici, which
 * sends a request again by itself when the other side refuses its stream, and does not tell when a body has been written.
 */
export const exchangeHttp2 = (sessions: Http2Sessions, request: PreparedRequest, options: HttpExchangeOptions): Promise<Exchange> =>
  new Promise((resolve) => new Http2Exchange(sessions, request, options, resolve).start());

class Http2Exchange {
  readonly #sessions: Http2Sessions;
  readonly #request: PreparedRequest;
  readonly #options: HttpExchangeOptions;
  readonly #resolve: (exchange: Exchange) => void;
  readonly #clock: PhaseClock;
  #isDone = false;
  #session: Http2Session | undefined;
  #stream: ClientHttp2Stream | undefined;
  #stopWaiting: (() => void) | undefined;
  #error: Error | undefined;
  #httpStatus = 0;
  #headers: RawAnswer['headers'] = [];
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(sessions: Http2Sessions, request: PreparedRequest, options: HttpExchangeOptions, resolve: (exchange: Exchange) => void) {
    this.#sessions = sessions;
    this.#request = request;
    this.#options = options;
    this.#resolve = resolve;
    this.#clock = new PhaseClock(options.timeouts, { onLate: (reason) => this.#fail(reason) });
  }

  start(): void {
    const { signal } = this.#options;
    if (signal?.aborted) return this.#fail('cancelled');
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#clock.start();
    this.#acquire();
  }

  #acquire(): void {
    this.#stopWaiting = this.#sessions.acquire(
      (session) => {
        this.#session = session;
        // After a poll of the sockets, so that a GOAWAY or FIN already here is seen before anything is written.
        setImmediate(() => this.#send(session));
      },
      (error) => this.#fail('lost', error),
    );
  }

  #send(lent: Http2Session): void {
    if (this.#isDone) return;
    const { session } = lent;
    if (!lent.isUsable || session.closed || session.destroyed) {
      // It ended before a byte was written on it: nothing was sent, so a fresh one takes its place.
      this.#session = undefined;
      this.#sessions.release(lent, true);
      return this.#acquire();
    }
    const { body, method, path, headers } = this.#request;
    if (!this.#clock.beginWriting()) return;
    try {
      const stream = session.request({ ':method': method, ':path': path, ...Object.fromEntries(headers) }, { endStream: !body });
      this.#stream = stream;
      stream.once('finish', () => this.#clock.written());
      stream.on('response', (headers, _, rawHeaders) => this.#onHeaders(Number(headers[':status']), rawHeaders));
      stream.on('data', (chunk: Buffer) => this.#onData(chunk));
      stream.on('error', (error: Error) => void (this.#error = error));
      stream.once('close', () => this.#onClose(stream, lent));
      // Flow control is the other side's: it is written as far as its window allows, and 'finish' is when all of it has been.
      if (body) stream.end(body);
    } catch (error) {
      this.#fail('lost', error as Error);
    }
  }

  #onHeaders(httpStatus: number, rawHeaders: readonly string[]): void {
    if (this.#isDone) return;
    this.#clock.answering();
    this.#httpStatus = httpStatus;
    const list: (readonly [string, string])[] = [];
    for (let at = 0; at + 1 < rawHeaders.length; at += 2)
      if (!rawHeaders[at]!.startsWith(':')) list.push([rawHeaders[at]!.toLowerCase(), rawHeaders[at + 1]!]);
    this.#headers = list;
  }

  #onData(chunk: Buffer): void {
    if (this.#isDone) return;
    const room = this.#options.maxResponseBytes - this.#bytes;
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#chunks.push(kept);
    this.#bytes += kept.length;
    if (kept.length < chunk.length) this.#fail('oversized');
    else this.#clock.heard();
  }

  /** A stream that was cut off ends like any other; only its code, and the length promised, tell. */
  #onClose(stream: ClientHttp2Stream, { lastProcessedId, session }: Http2Session): void {
    if (this.#isDone) return;
    const { isAnswering } = this.#clock;
    const isRefused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || (stream.id ?? 0) > lastProcessedId;
    if (!isAnswering && isRefused) return this.#fail('refused', this.#error);
    if (!isAnswering || this.#error || stream.rstCode !== constants.NGHTTP2_NO_ERROR || session.destroyed || !this.#isWhole())
      return this.#fail('lost', this.#error ?? new Error(`the stream was closed with code ${stream.rstCode}`));
    const times = this.#clock.times();
    const remoteAddress = this.#session?.remoteAddress;
    this.#settle(true);
    this.#resolve({ kind: 'answered', times, remoteAddress, answer: this.#answer(false) });
  }

  #isWhole(): boolean {
    const promised = this.#headers.find(([name]) => name === 'content-length')?.[1];
    return promised === undefined || Number(promised) === this.#bytes;
  }

  readonly #onAbort = (): void =>
    this.#fail('cancelled', this.#options.signal?.reason instanceof Error ? this.#options.signal.reason : undefined);

  #fail(reason: FailureReason, error?: Error): void {
    if (this.#isDone) return;
    const { phase, isAnswering } = this.#clock;
    const times = this.#clock.times();
    const remoteAddress = this.#session?.remoteAddress;
    // Silence may be the connection's as well as the institution's: the next call gets another.
    this.#settle(reason !== 'timeout' && reason !== 'deadline' && reason !== 'lost');
    const answer = isAnswering ? this.#answer(true) : undefined;
    this.#resolve({ kind: 'failed', phase, reason, error: error && plainError(error), times, answer, remoteAddress });
  }

  #settle(isTrusted: boolean): void {
    this.#isDone = true;
    this.#clock.stop();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#stopWaiting?.();
    if (this.#stream && !this.#stream.closed) this.#stream.close(constants.NGHTTP2_CANCEL);
    if (this.#session) this.#sessions.release(this.#session, isTrusted);
    this.#session = undefined;
  }

  #answer(isTruncated: boolean): RawAnswer {
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    return { httpStatus: this.#httpStatus, headers: this.#headers, body, isTruncated };
  }
}
