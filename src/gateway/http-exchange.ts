import { performance } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Connection, ConnectionPool } from './connection-pool.ts';
import type { Exchange, FailureReason, PhaseTimes, RawAnswer, TimeoutPhase } from './exchange.ts';
import type { CallTimeouts } from './external-call.ts';
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

class HttpExchange implements Dispatcher.DispatchHandler {
  readonly #pool: ConnectionPool;
  readonly #request: PreparedRequest;
  readonly #options: HttpExchangeOptions;
  readonly #resolve: (exchange: Exchange) => void;
  #phase: TimeoutPhase = 'connect';
  #isDone = false;
  #connection: Connection | undefined;
  #stopWaiting: (() => void) | undefined;
  #isReused = false;
  readonly #startedAt = performance.now();
  readonly #totalEndsAt: number;
  #phaseEndsAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #writingAt = 0;
  #writtenAt = 0;
  #headersAt = 0;
  #httpStatus = 0;
  #headers: RawAnswer['headers'] = [];
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(pool: ConnectionPool, request: PreparedRequest, options: HttpExchangeOptions, resolve: (exchange: Exchange) => void) {
    this.#pool = pool;
    this.#request = request;
    this.#options = options;
    this.#resolve = resolve;
    this.#totalEndsAt = this.#startedAt + options.timeouts.totalMs;
  }

  start(): void {
    const { timeouts, signal } = this.#options;
    if (signal?.aborted) return this.#fail('cancelled');
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#giveUpIn(timeouts.connectMs);
    this.#stopWaiting = this.#pool.acquire((connection) => (this.#isDone ? this.#pool.release(connection, true) : this.#take(connection)));
  }

  #take(connection: Connection): void {
    this.#connection = connection;
    this.#isReused = connection.socket !== undefined && !connection.socket.destroyed;
    // undici looks once more before it writes to an idle socket, but only from one phase of the event loop to the next.
    // From an immediate, its own look comes after a poll of the sockets, so that a FIN or RST already here is seen.
    if (this.#isReused) setImmediate(() => this.#dispatch(connection));
    else this.#dispatch(connection);
  }

  #dispatch({ client }: Connection): void {
    if (this.#isDone) return;
    const { method, path, wireHeaders: headers, body } = this.#request;
    try {
      client.dispatch(
        { method, path, headers, body: body && body.length > CHUNK_BYTES ? Readable.from(chunksOf(body)) : (body ?? null) },
        this,
      );
    } catch (error) {
      this.#fail('lost', error as Error);
    }
  }

  /** undici is about to write the first byte: from here on the request counts as sent. */
  onRequestStart(): void {
    this.#phase = 'write';
    this.#writingAt = performance.now();
    this.#giveUpIn(this.#options.timeouts.writeMs);
  }

  /** undici has handed the last byte to the socket, which may still hold all of it. */
  onRequestSent(): void {
    const socket = this.#connection?.socket;
    if (!socket || socket.writableLength === 0) return this.#onWritten();
    // An empty write is done when everything before it is; 'drain' is not emitted for small bodies.
    socket.write('', () => this.#onWritten());
  }

  #onWritten(): void {
    if (this.#isDone || this.#phase !== 'write') return;
    this.#phase = 'read';
    this.#writtenAt = performance.now();
    this.#giveUpIn(this.#options.timeouts.readMs);
  }

  onResponseStart(controller: Dispatcher.DispatchController, httpStatus: number): void {
    if (this.#isDone || httpStatus < 200) return;
    this.#onWritten();
    this.#headersAt = performance.now();
    this.#httpStatus = httpStatus;
    this.#headers = pairs(controller.rawHeaders);
    this.#giveUpIn(this.#options.timeouts.readMs);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isDone) return;
    const room = this.#options.maxResponseBytes - this.#bytes;
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#chunks.push(kept);
    this.#bytes += kept.length;
    if (kept.length < chunk.length) this.#fail('oversized');
    else this.#giveUpIn(this.#options.timeouts.readMs);
  }

  onResponseEnd(): void {
    if (this.#isDone) return;
    const times = this.#times();
    const remoteAddress = this.#connection?.socket?.remoteAddress;
    this.#settle(true);
    this.#resolve({ kind: 'answered', times, remoteAddress, answer: this.#answer(false) });
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#isDone) return;
    const dead = this.#connection;
    if (this.#phase === 'connect' && this.#isReused && dead) {
      // An idle socket died before a byte was written on it: nothing was sent, so a fresh one takes its place.
      this.#connection = undefined;
      this.#pool.release(dead, false);
      this.#stopWaiting = this.#pool.acquire((connection) =>
        this.#isDone ? this.#pool.release(connection, true) : this.#take(connection),
      );
      return;
    }
    this.#fail(isMalformed(error) ? 'malformed' : 'lost', error);
  }

  readonly #onAbort = (): void =>
    this.#fail('cancelled', this.#options.signal?.reason instanceof Error ? this.#options.signal.reason : undefined);

  #fail(reason: FailureReason, error?: Error): void {
    if (this.#isDone) return;
    const phase = this.#phase;
    const times = this.#times();
    const answer = this.#headersAt ? this.#answer(true) : undefined;
    const remoteAddress = this.#connection?.socket?.remoteAddress;
    this.#settle(false);
    this.#resolve({ kind: 'failed', phase, reason, error: error && plainError(error), times, answer, remoteAddress });
  }

  #settle(isReusable: boolean): void {
    this.#isDone = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#stopWaiting?.();
    if (this.#connection) this.#pool.release(this.#connection, isReusable);
    this.#connection = undefined;
  }

  /** Starts the time of a phase. One timer serves them all: it is moved only when it would come too late. */
  #giveUpIn(ms: number): void {
    const now = performance.now();
    this.#phaseEndsAt = now + ms;
    const at = Math.min(this.#phaseEndsAt, this.#totalEndsAt);
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(this.#onTimer, at - now);
  }

  // When this process was busy, its timers run before it reads: what has come meanwhile counts first, hence the immediate.
  readonly #onTimer = (): void => void setImmediate(this.#checkTime);

  readonly #checkTime = (): void => {
    if (this.#isDone) return;
    const now = performance.now();
    this.#timerAt = Number.POSITIVE_INFINITY;
    // Node's timers may be early by a fraction of a millisecond.
    if (now + 1 >= this.#totalEndsAt) this.#fail('deadline');
    else if (now + 1 >= this.#phaseEndsAt) this.#fail('timeout');
    else this.#giveUpIn(this.#phaseEndsAt - now);
  };

  #answer(isTruncated: boolean): RawAnswer {
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    return { httpStatus: this.#httpStatus, headers: this.#headers, body, isTruncated };
  }

  #times(): PhaseTimes {
    const now = performance.now();
    const between = (from: number, to: number): number | undefined => (from ? (to || now) - from : undefined);
    return {
      connectMs: (this.#writingAt || now) - this.#startedAt,
      writeMs: between(this.#writingAt, this.#writtenAt),
      headersMs: between(this.#writtenAt, this.#headersAt),
      bodyMs: between(this.#headersAt, 0),
      totalMs: now - this.#startedAt,
    };
  }
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

/** Name, code and message only: undici's and TLS's errors carry response bytes and certificates along. */
function plainError(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  const plain: NodeJS.ErrnoException = new Error(
    error.message || (error instanceof AggregateError ? error.errors.map((inner: Error) => inner.message).join('; ') : 'no message'),
  );
  plain.name = error.name;
  if (typeof code === 'string') plain.code = code;
  return plain;
}
