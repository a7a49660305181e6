import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A TCP hop to the database that fails on demand. */
export interface DatabaseProxy {
  /** The database's URL, through this proxy. */
  readonly url: string;
  /** Refuses and ends every connection. */
  cut(): void;
  /** Forwards nothing any more, in either direction. */
  freeze(): void;
  /** Passes the nth COMMIT on from now, then ends its connection before the answer comes back. */
  loseCommitAnswer(nth: number): void;
  /** COMMITs whose answer was lost. */
  readonly lost: number;
  close(): Promise<void>;
}

export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let isFrozen = false;
  let commitsToLose = 0;
  let lost = 0;
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    let isDoomed = false;
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {}).once('close', () => (sockets.delete(socket), other.destroy()));
    }
    near.on('data', (bytes: Buffer) => {
      if (isFrozen) return;
      if (/commit$/i.test(bytes.toString('latin1')) && commitsToLose > 0 && --commitsToLose === 0) isDoomed = true;
      far.write(bytes);
    });
    far.on('data', (bytes: Buffer) => {
      if (isFrozen) return;
      if (!isDoomed) return void near.write(bytes);
      lost += 1;
      near.destroy();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cut = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    cut,
    freeze: () => void (isFrozen = true),
    loseCommitAnswer: (nth) => void (commitsToLose = nth),
    get lost() {
      return lost;
    },
    close: async () => cut(),
  };
}
