import { createServer, type Server } from 'node:net';
import { StackError } from './stack-error.ts';

/** Every port of a native or Docker stack. */
export type StackPorts = {
  /** gRPC proxy: what clients connect to. */
  readonly grpc: number;
  /** The proxy's remoting port; nobody of ours uses it, but the proxy insists on one. */
  readonly proxyRemoting: number;
  readonly namesrv: number;
  /** The broker's `listenPort`. The broker also takes this − 2 (its VIP channel) and this + 1 (replication). */
  readonly broker: number;
  readonly mysql: number;
};

/** Below the range from which Linux and macOS take the ports of outgoing connections, so that none slips in between choice and use. */
const LOWEST = 20_000;
const HIGHEST = 32_000;

/** How far around its listen port the broker reaches. */
export const BROKER_PORT_OFFSETS = [0, -2, 1] as const;

/**
 * Ports that are free on loopback and on all interfaces right now, all different, the broker's three neighbours included.
 * Ports given in `wanted` are taken as they are; one that is busy is an error that names it.
 */
export async function chooseFreePorts(wanted: Partial<StackPorts> = {}): Promise<StackPorts> {
  const held: Server[] = [];
  const taken = new Set<number>();
  const claim = async (name: keyof StackPorts, offsets: readonly number[]): Promise<number> => {
    const fixed = wanted[name];
    if (fixed !== undefined) checkPort(name, fixed);
    for (let tries = 0; tries < 200; tries += 1) {
      const base = fixed ?? LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
      const ports = offsets.map((offset) => base + offset);
      const servers = ports.some((port) => taken.has(port)) ? undefined : await holdAll(ports);
      if (servers) {
        held.push(...servers);
        for (const port of ports) taken.add(port);
        return base;
      }
      if (fixed !== undefined) throw new StackError(`port ${ports.join(', ')} wanted for ${name} is in use`);
    }
    throw new StackError(`no free port for ${name} between ${LOWEST} and ${HIGHEST} in 200 tries`);
  };
  try {
    return {
      broker: await claim('broker', BROKER_PORT_OFFSETS),
      namesrv: await claim('namesrv', [0]),
      grpc: await claim('grpc', [0]),
      proxyRemoting: await claim('proxyRemoting', [0]),
      mysql: await claim('mysql', [0]),
    };
  } finally {
    // All stay held until all are chosen: two of them can never be the same.
    await Promise.all(held.map(release));
  }
}

function checkPort(name: string, port: number): void {
  if (!Number.isSafeInteger(port) || port < 3 || port > 65_534) throw new RangeError(`port ${name} must be 3–65534, got ${port}`);
}

/** Listens on all of them, or on none. */
async function holdAll(ports: readonly number[]): Promise<Server[] | undefined> {
  const servers: Server[] = [];
  for (const port of ports) {
    const server = await listen(port);
    if (!server) {
      await Promise.all(servers.map(release));
      return undefined;
    }
    servers.push(server);
  }
  return servers;
}

/** On all interfaces, because the gRPC proxy binds there and cannot be told otherwise. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '0.0.0.0', exclusive: true }, () => resolve(server));
  });
}

function release(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
