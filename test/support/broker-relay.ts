import { type Socket, connect, createServer } from 'node:net';
import { once } from 'node:events';

/** A TCP relay on loopback that can fall silent without closing anything, as a firewall does that forgot a connection. */
export interface Relay {
  readonly endpoints: string;
  readonly connectionsOpened: number;
  /** From now on nothing passes on the connections that exist; new ones work. */
  cutSilently(): void;
  /** Resets every connection that exists; new ones work. */
  reset(): void;
  close(): Promise<void>;
}

export async function startRelay(target: string): Promise<Relay> {
  const [host = '', port = ''] = target.split(':');
  const pairs = new Set<readonly [Socket, Socket]>();
  let connectionsOpened = 0;
  const server = createServer((near) => {
    connectionsOpened += 1;
    const far = connect(Number(port), host);
    const pair = [near, far] as const;
    pairs.add(pair);
    near.pipe(far).pipe(near);
    for (const side of pair) {
      side.on('error', () => {});
      side.on('close', () => {
        pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoints: `127.0.0.1:${(server.address() as { port: number }).port}`,
    get connectionsOpened() {
      return connectionsOpened;
    },
    cutSilently: () => {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        for (const side of [near, far]) side.pause();
      }
    },
    reset: () => {
      for (const pair of pairs) for (const side of pair) side.resetAndDestroy();
    },
    close: async () => {
      for (const pair of pairs) for (const side of pair) side.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
