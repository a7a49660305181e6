import type { Socket } from 'node:net';
import { Client } from 'undici';
import { openSocket } from './open-socket.ts';
import type { Origin } from './origin.ts';

/** One undici client with at most one socket, which we open ourselves: so its state and its real drain can be seen. */
export interface Connection {
  readonly client: Client;
  /** The socket last opened; `undefined` before the first. */
  socket: Socket | undefined;
  readonly origin: string;
}

/** Whoever needs a connection. */
export interface ConnectionUser {
  onConnection(connection: Connection): void;
}

/** Sockets to one origin: HTTP/1.1, no pipelining, the most recently used first. */
export class ConnectionPool {
  readonly #origin: Origin;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #waiting = new Set<ConnectionUser>();
  #isClosed = false;

  constructor(origin: Origin) {
    this.#origin = origin;
  }

  /** Gives a connection, at once when one is idle or may be opened, else when one is released. It must be `release`d. */
  acquire(user: ConnectionUser): void {
    const connection = this.#idle.pop() ?? (this.#all.size < this.#origin.maxConnections ? this.#create() : undefined);
    if (connection) user.onConnection(connection);
    else this.#waiting.add(user);
  }

  stopWaiting(user: ConnectionUser): void {
    this.#waiting.delete(user);
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
      queueMicrotask(() => next.onConnection(heir));
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
      origin: this.#origin.url,
      client: new Client(this.#origin.url, {
        connect: (_, done) => {
          connection.socket = openSocket(this.#origin, 'http/1.1', done);
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
