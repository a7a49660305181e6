import { createServer, type Server, type Socket } from 'node:net';

/** What every HTTP/2 connection begins with. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** A connection that has not said that much by then is closed. */
const PREFACE_DEADLINE_MS = 10_000;

/** The listening socket. Lets in what speaks HTTP/2, up to a number of connections, and knows all of them. */
export class ConnectionGate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(maxConnections: number, letIn: (socket: Socket) => void) {
    this.#server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.#greet(socket, letIn));
    this.#server.maxConnections = maxConnections;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Rejects when the address cannot be had. Resolves with the port. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.removeListener('error', reject);
        this.#server.on('error', () => {});
        resolve((this.#server.address() as { port: number }).port);
      });
    });
  }

  /** Ends every connection as a process that dies does. Idempotent. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #greet(socket: Socket, letIn: (socket: Socket) => void): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
    socket.setTimeout(PREFACE_DEADLINE_MS, () => socket.destroy());
    let seen = Buffer.alloc(0);
    const read = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      seen = Buffer.concat([seen, bytes]);
      const length = Math.min(seen.length, PREFACE.length);
      if (!seen.subarray(0, length).equals(PREFACE.subarray(0, length))) return void socket.destroy();
      if (length < PREFACE.length) return;
      socket.removeListener('readable', read);
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.unshift(seen);
      letIn(socket);
    };
    socket.on('readable', read);
    socket.on('end', () => socket.end());
    read();
  }
}
