import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Client } from 'undici';
import type { Origin } from './origin.ts';

/** One undici client with at most one socket, which we open ourselves: so its state and its real drain can be seen. */
export interface Connection {
  readonly client: Client;
  /** The socket last opened; `undefined` before the first. */
  socket: Socket | undefined;
}

/** Sockets to one origin: HTTP/1.1, no pipelining, the most recently used first. */
export class ConnectionPool {
  readonly #origin: Origin;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #waiting = new Set<(connection: Connection) => void>();
  #isClosed = false;

  constructor(origin: Origin) {
    this.#origin = origin;
  }

  /**
   * Calls back with a connection, at once when one is idle or may be opened, else when one is released. The function
   * returned gives up waiting. The caller must `release` what it got.
   */
  acquire(use: (connection: Connection) => void): () => void {
    const connection = this.#idle.pop() ?? (this.#all.size < this.#origin.maxConnections ? this.#create() : undefined);
    if (connection) {
      use(connection);
      return () => {};
    }
    this.#waiting.add(use);
    return () => void this.#waiting.delete(use);
  }

  /** Gives a connection back. One that did not end its exchange cleanly is destroyed, whatever it was doing. */
  release(connection: Connection, isReusable: boolean): void {
    const keep = isReusable && !this.#isClosed;
    if (!keep) this.#destroy(connection);
    const [next] = this.#waiting;
    if (next) {
      this.#waiting.delete(next);
      const heir = keep ? connection : this.#create();
      // Not from within undici's own callback.
      queueMicrotask(() => next(heir));
    } else if (keep) {
      this.#idle.push(connection);
    }
  }

  /** Destroys every socket, exchanges in progress included. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#all) this.#destroy(connection);
    this.#idle.length = 0;
    this.#waiting.clear();
  }

  #create(): Connection {
    const connection: Connection = {
      socket: undefined,
      client: new Client(this.#origin.url, {
        connect: (_, done) => {
          connection.socket = openSocket(this.#origin, done);
        },
        pipelining: 1,
        allowH2: false,
        // The exchange has timers of its own; undici's are coarse.
        headersTimeout: 0,
        bodyTimeout: 0,
        // Below the 5 s after which many servers close: a request must not meet a FIN half way.
        keepAliveTimeout: 4_000,
        maxHeaderSize: 16 * 1024,
      }),
    };
    this.#all.add(connection);
    return connection;
  }

  #destroy(connection: Connection): void {
    this.#all.delete(connection);
    connection.socket?.destroy();
    void connection.client.destroy().catch(() => {});
  }
}

type OpenSocket = (...args: [error: Error, socket: null] | [error: null, socket: Socket]) => void;

/** Opens TCP and, for https, TLS with the certificate verified. Calls back once; whoever destroys the socket early gets an error. */
function openSocket(origin: Origin, done: OpenSocket): Socket {
  const { hostname, port, protocol } = new URL(origin.url);
  const isTls = protocol === 'https:';
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  const address = { host, port: Number(port || (isTls ? 443 : 80)) };
  const { ca, cert, key } = origin;
  const socket = isTls
    ? connectTls({
        ...address,
        ca,
        cert,
        key,
        ...(/[a-z]/i.test(host) && !host.includes(':') && { servername: host }),
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: true,
      })
    : connectTcp(address);
  let isSettled = false;
  const settle = (error: Error | undefined): void => {
    if (isSettled) return;
    isSettled = true;
    if (error) {
      socket.destroy();
      done(error, null);
    } else {
      done(null, socket);
    }
  };
  socket.setNoDelay(true);
  socket.once(isTls ? 'secureConnect' : 'connect', () => {
    const allowed = origin.isAddressAllowed(socket.remoteAddress ?? '');
    settle(allowed ? undefined : new Error(`address ${socket.remoteAddress} is not allowed for origin "${origin.name}"`));
  });
  socket.on('error', settle);
  socket.once('close', () => settle(new Error('closed while connecting')));
  return socket;
}
