import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Connection, ConnectionPool, ConnectionUser } from './connection-pool.ts';
import type { Exchange, FailureReason, RawAnswer } from './exchange.ts';
import type { CallTimeouts } from './external-call.ts';
import { PhaseClock, type PhaseOwner } from './phase-clock.ts';
import { plainError } from './plain-error.ts';
import type { PreparedRequest } from './prepare-request.ts';

export interface HttpExchangeOptions {
  readonly timeouts: CallTimeouts;
  readonly maxResponseBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request once and reads its answer, timing each phase. Never rejects. Follows no redirect and sends no byte
 * twice: only a connection that turns out dead before the first byte is replaced, unseen, within the same `connectMs`.
 */
export const exchangeHttp = (pool: ConnectionPool, request: PreparedRequest, options: HttpExchangeOptions): Promise<Exchange> =>
  new Promise((resolve) => new HttpExchange(pool, request, options, resolve).start());

/** Bodies over this size leave in pieces, each waiting for the socket to drain. */
const CHUNK_BYTES = 16 * 1024;

/** Whether undici failed on what it read, as opposed to a connection that ended. */
const isMalformed = ({ name, code = '' }: NodeJS.ErrnoException): boolean =>
  (name === 'HTTPParserError' && code !== 'HPE_INVALID_EOF_STATE') ||
  code === 'UND_ERR_HEADERS_OVERFLOW' ||
  code.startsWith('UND_ERR_RES_');

class HttpExchange implements Dispatcher.DispatchHandler, ConnectionUser, PhaseOwner {
  readonly #pool: ConnectionPool;
  readonly #request: PreparedRequest;
  readonly #options: HttpExchangeOptions;
  readonly #resolve: (exchange: Exchange) => void;
  readonly #clock: PhaseClock;
  #isDone = false;
  #connection: Connection | undefined;
  #onAbort: (() => void) | undefined;
  #isReused = false;
  #httpStatus = 0;
  #rawHeaders: Dispatcher.DispatchController['rawHeaders'] = [];
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(pool: ConnectionPool, request: PreparedRequest, options: HttpExchangeOptions, resolve: (exchange: Exchange) => void) {
    this.#pool = pool;
    this.#request = request;
    this.#options = options;
    this.#resolve = resolve;
    this.#clock = new PhaseClock(options.timeouts, this);
  }

  start(): void {
    const { signal } = this.#options;
    if (signal?.aborted) return this.#fail('cancelled');
    if (signal) {
      this.#onAbort = () => this.#fail('cancelled', signal.reason instanceof Error ? signal.reason : undefined);
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    this.#clock.start();
    this.#pool.acquire(this);
  }

  onLate(reason: 'timeout' | 'deadline'): void {
    this.#fail(reason);
  }

  onConnection(connection: Connection): void {
    if (this.#isDone) return this.#pool.release(connection, true);
    this.#connection = connection;
    this.#isReused = connection.socket !== undefined && !connection.socket.destroyed;
    // undici looks once more before it writes to an idle socket, but only from one phase of the event loop to the next.
    // From an immediate, its own look comes after a poll of the sockets, so that a FIN or RST already here is seen.
    if (this.#isReused) afterPoll(this);
    else this.dispatch();
  }

  /** Hands the request to undici, unless the exchange ended meanwhile. */
  dispatch(): void {
    if (!this.#connection || this.#isDone) return;
    const { client, origin } = this.#connection;
    const { method, path, wireHeaders: headers, body } = this.#request;
    try {
      client.dispatch(
        { origin, method, path, headers, body: body && body.length > CHUNK_BYTES ? Readable.from(chunksOf(body)) : (body ?? null) },
        this,
      );
    } catch (error) {
      this.#fail('lost', error as Error);
    }
  }

  /** undici is about to write the first byte: from here on the request counts as sent. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (!this.#clock.beginWriting()) controller.abort(new Error('too late to begin'));
  }

  /** undici has handed the last byte to the socket, which may still hold all of it. */
  onRequestSent(): void {
    const socket = this.#connection?.socket;
    if (!socket || socket.writableLength === 0) return this.#clock.written();
    // An empty write is done when everything before it is; 'drain' is not emitted for small bodies.
    socket.write('', () => this.#clock.written());
  }

  onResponseStart(controller: Dispatcher.DispatchController, httpStatus: number): void {
    if (this.#isDone || httpStatus < 200) return;
    this.#clock.answering();
    this.#httpStatus = httpStatus;
    this.#rawHeaders = controller.rawHeaders;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isDone) return;
    const room = this.#options.maxResponseBytes - this.#bytes;
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#chunks.push(kept);
    this.#bytes += kept.length;
    if (kept.length < chunk.length) this.#fail('oversized');
    else this.#clock.heard();
  }

  onResponseEnd(): void {
    if (this.#isDone) return;
    const times = this.#clock.times();
    const remoteAddress = this.#connection?.socket?.remoteAddress;
    this.#settle(true);
    this.#resolve({ kind: 'answered', times, remoteAddress, answer: this.#answer(false) });
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#isDone) return;
    const dead = this.#connection;
    if (this.#clock.phase === 'connect' && this.#isReused && dead) {
      // An idle socket died before a byte was written on it: nothing was sent, so a fresh one takes its place.
      this.#connection = undefined;
      this.#pool.release(dead, false);
      this.#pool.acquire(this);
      return;
    }
    this.#fail(isMalformed(error) ? 'malformed' : 'lost', error);
  }

  #fail(reason: FailureReason, error?: Error): void {
    if (this.#isDone) return;
    const { phase } = this.#clock;
    const times = this.#clock.times();
    const answer = this.#clock.isAnswering ? this.#answer(true) : undefined;
    const remoteAddress = this.#connection?.socket?.remoteAddress;
    this.#settle(false);
    this.#resolve({ kind: 'failed', phase, reason, error: error && plainError(error), times, answer, remoteAddress });
  }

  #settle(isReusable: boolean): void {
    this.#isDone = true;
    this.#clock.stop();
    if (this.#onAbort) this.#options.signal?.removeEventListener('abort', this.#onAbort);
    if (this.#connection) this.#pool.release(this.#connection, isReusable);
    else this.#pool.stopWaiting(this);
    this.#connection = undefined;
  }

  #answer(isTruncated: boolean): RawAnswer {
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    return new HttpAnswer(this.#httpStatus, this.#rawHeaders, body, isTruncated);
  }
}

/** Names and values become text when somebody reads them. */
class HttpAnswer implements RawAnswer {
  readonly httpStatus: number;
  readonly body: Buffer;
  readonly isTruncated: boolean;
  readonly #rawHeaders: Dispatcher.DispatchController['rawHeaders'];
  #headers: RawAnswer['headers'] | undefined;

  constructor(httpStatus: number, rawHeaders: Dispatcher.DispatchController['rawHeaders'], body: Buffer, isTruncated: boolean) {
    this.httpStatus = httpStatus;
    this.#rawHeaders = rawHeaders;
    this.body = body;
    this.isTruncated = isTruncated;
  }

  get headers(): RawAnswer['headers'] {
    return (this.#headers ??= pairs(this.#rawHeaders));
  }
}

let due: HttpExchange[] = [];

/** One immediate for all the exchanges of one turn of the event loop. */
function afterPoll(exchange: HttpExchange): void {
  if (due.push(exchange) === 1) setImmediate(dispatchDue);
}

function dispatchDue(): void {
  const now = due;
  due = [];
  for (const exchange of now) exchange.dispatch();
}

function* chunksOf(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += CHUNK_BYTES) yield body.subarray(at, at + CHUNK_BYTES);
}

function pairs(raw: Dispatcher.DispatchController['rawHeaders']): (readonly [string, string])[] {
  const list: (readonly [string, string])[] = [];
  if (!Array.isArray(raw)) return list;
  for (let at = 0; at + 1 < raw.length; at += 2) list.push([text(raw[at]!).toLowerCase(), text(raw[at + 1]!)]);
  return list;
}

const text = (part: string | Buffer): string => (typeof part === 'string' ? part : part.toString('latin1'));
