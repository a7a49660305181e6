import { type ClientHttp2Session, connect } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { openSocket } from './open-socket.ts';
import type { Origin } from './origin.ts';

/** One HTTP/2 connection that the other side has greeted. */
export interface Http2Session {
  readonly session: ClientHttp2Session;
  readonly remoteAddress: string | undefined;
  /** False once the other side said GOAWAY, it ended, or we trust it no more: streams in progress go on, no new one begins. */
  isUsable: boolean;
  /** Streams with a higher id were not processed, by the other side's own word. */
  lastProcessedId: number;
  streams: number;
}

interface Waiting {
  readonly use: (session: Http2Session) => void;
  readonly fail: (error: Error) => void;
}

// As for HTTP/1.1: an idle connection may be dead without anybody knowing.
const IDLE_MS = 4_000;

/** The connection to one origin that speaks HTTP/2, opened anew whenever there is none fit for use. */
export class Http2Sessions {
  readonly #origin: Origin;
  readonly #all = new Set<Http2Session>();
  readonly #waiting = new Set<Waiting>();
  #current: Http2Session | undefined;
  #opening: Socket | undefined;
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(origin: Origin) {
    this.#origin = origin;
  }

  /**
   * Calls `use` with a session that has room for one more stream, at once when there is one, or `fail` when none can be
   * opened. The function returned gives up waiting. The caller must `release` what it got.
   */
  acquire(use: Waiting['use'], fail: Waiting['fail']): () => void {
    if (this.#hasRoom()) {
      use(this.#lend());
      return () => {};
    }
    const waiting: Waiting = { use, fail };
    this.#waiting.add(waiting);
    this.#openIfNeeded();
    return () => {
      this.#waiting.delete(waiting);
      // Nobody waits any more for a connection that does not come about: the next one gets a fresh start.
      if (this.#waiting.size === 0) this.#abandonOpening();
    };
  }

  /** Gives a stream's place back. A session that is no longer trusted ends with its last stream. */
  release(lent: Http2Session, isTrusted: boolean): void {
    lent.streams -= 1;
    if (!isTrusted) this.#retire(lent);
    this.#serve();
    if (lent.streams === 0 && this.#current === lent) {
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => this.#retire(lent), IDLE_MS);
      this.#idle.unref();
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    this.#abandonOpening();
    for (const { session } of this.#all) session.destroy();
    this.#waiting.clear();
  }

  #hasRoom(): boolean {
    const { maxConnections } = this.#origin;
    const current = this.#current;
    if (!current?.isUsable || current.session.closed || current.session.destroyed) return false;
    return current.streams < Math.min(maxConnections, current.session.remoteSettings.maxConcurrentStreams ?? maxConnections);
  }

  #lend(): Http2Session {
    clearTimeout(this.#idle);
    const lent = this.#current!;
    lent.streams += 1;
    return lent;
  }

  #serve(): void {
    for (const waiting of this.#waiting) {
      if (!this.#hasRoom()) break;
      this.#waiting.delete(waiting);
      waiting.use(this.#lend());
    }
    this.#openIfNeeded();
  }

  #openIfNeeded(): void {
    const isServed = this.#current?.isUsable && !this.#current.session.closed;
    if (this.#isClosed || this.#opening || isServed || this.#waiting.size === 0) return;
    const opening = openSocket(this.#origin, 'h2', (error, socket) => {
      if (this.#opening !== opening) return void socket?.destroy();
      if (error) return this.#failAll(error);
      if ((socket as TLSSocket).alpnProtocol !== 'h2') {
        socket.destroy();
        return this.#failAll(new Error(`origin "${this.#origin.name}" does not speak HTTP/2`));
      }
      this.#greet(socket);
    });
    this.#opening = opening;
  }

  /** The other side's SETTINGS are its greeting: before them nobody knows how many streams it takes. */
  #greet(socket: Socket): void {
    const session = connect(this.#origin.url, { createConnection: () => socket, settings: { enablePush: false } });
    const own: Http2Session = {
      session,
      remoteAddress: socket.remoteAddress,
      isUsable: false,
      lastProcessedId: Number.POSITIVE_INFINITY,
      streams: 0,
    };
    this.#all.add(own);
    session.once('remoteSettings', () => {
      if (this.#opening !== socket) return session.destroy();
      this.#opening = undefined;
      own.isUsable = true;
      this.#current = own;
      this.#serve();
    });
    session.on('goaway', (_, lastProcessedId) => {
      own.lastProcessedId = Math.min(own.lastProcessedId, lastProcessedId);
      this.#retire(own);
    });
    let failure: Error | undefined;
    session.on('error', (error: Error) => void (failure = error));
    session.once('close', () => {
      this.#all.delete(own);
      own.isUsable = false;
      if (this.#opening === socket) this.#failAll(failure ?? new Error('closed before it greeted'));
      else this.#serve();
    });
  }

  #retire(session: Http2Session): void {
    session.isUsable = false;
    if (this.#current === session) this.#current = undefined;
    if (!session.session.closed) session.session.close();
    this.#openIfNeeded();
  }

  #failAll(error: Error): void {
    this.#opening = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { fail } of waiting) fail(error);
  }

  #abandonOpening(): void {
    const opening = this.#opening;
    this.#opening = undefined;
    opening?.destroy();
  }
}
