import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

/** A wire that can fail, on loopback. Passes everything until it is told otherwise; disposing cuts everything and stops listening. */
export interface TcpProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Connections open now. */
  readonly connections: number;
  /** Heals: new connections pass, and what a black hole held back goes on. */
  pass(): Promise<void>;
  /** Resets what is open and refuses what comes, as when the server is down. */
  refuse(): Promise<void>;
  /** Keeps and takes connections, and lets no byte through in either direction, as when a firewall drops packets. */
  blackhole(): void;
  /** Resets what is open; new connections pass. */
  cut(): void;
}

interface Wire {
  readonly client: Socket;
  /** Missing while the black hole has kept it from being opened. */
  upstream?: Socket;
}

export async function startTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const wires = new Set<Wire>();
  let isHole = false;

  const forget = (wire: Wire, from: Socket): void => {
    wires.delete(wire);
    for (const socket of [wire.client, wire.upstream]) if (socket !== undefined && socket !== from) socket.destroy();
  };
  const carry = (wire: Wire, from: Socket, to: Socket): void => {
    from.on('data', (chunk) => to.write(chunk));
    from.once('end', () => to.end());
    from.on('error', () => {}).once('close', () => forget(wire, from));
  };
  const open = (wire: Wire): void => {
    wire.upstream = connect(target);
    carry(wire, wire.client, wire.upstream);
    carry(wire, wire.upstream, wire.client);
  };
  const accept = (client: Socket): void => {
    const wire: Wire = { client };
    wires.add(wire);
    client.on('error', () => {});
    if (!isHole) open(wire);
  };
  const cut = (): void => {
    for (const { client, upstream } of wires) {
      client.resetAndDestroy();
      upstream?.destroy();
    }
    wires.clear();
  };
  const listen = async (port: number): Promise<Server> => {
    const started = createServer({ pauseOnConnect: false }, accept).listen(port, '127.0.0.1');
    await once(started, 'listening');
    return started;
  };

  let server: Server | undefined = await listen(0);
  const { port } = server.address() as AddressInfo;
  const refuse = async (): Promise<void> => {
    const closed = server === undefined ? undefined : once(server.close(), 'close');
    server = undefined;
    cut();
    await closed;
  };
  return {
    host: '127.0.0.1',
    port,
    get connections() {
      return wires.size;
    },
    async pass() {
      isHole = false;
      for (const wire of wires) {
        if (wire.upstream === undefined) open(wire);
        else for (const socket of [wire.client, wire.upstream]) socket.resume();
      }
      server ??= await listen(port);
    },
    refuse,
    blackhole() {
      isHole = true;
      for (const { client, upstream } of wires) for (const socket of [client, upstream]) socket?.pause();
    },
    cut,
    [Symbol.asyncDispose]: refuse,
  };
}
