import { ServerCredentials } from '@grpc/grpc-js';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../src/shared/logger.ts';
import { type FakeProxy, startFakeProxy } from '../support/broker-fake-proxy.ts';
import { startRelay } from '../support/broker-relay.ts';
import { adapter, eventually, outgoing, startProducer, TOPIC } from './harness.ts';

/** What a gate does with a connection: lets it through to the proxy, or something else. */
type Admit = (socket: Socket, pass: () => void) => void;

/** A port in front of a proxy that decides about each connection. */
async function startGate(target: string, admit: Admit) {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    return socket;
  };
  const gate = { endpoints: '', connections: 0, admit };
  const server = createServer((near) => {
    gate.connections += 1;
    keep(near);
    gate.admit(near, () => {
      const far = keep(connect(Number(target.split(':')[1]), '127.0.0.1'));
      near.pipe(far).pipe(near);
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  gate.endpoints = `127.0.0.1:${(server.address() as { port: number }).port}`;
  return Object.assign(gate, {
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}

const letIn: Admit = (_, pass) => pass();
const sends = (proxy: FakeProxy): number => proxy.requests('sendMessage').length;
const ends = (proxy: FakeProxy): number => proxy.requests('endTransaction').length;

describe('the lean path', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  const later = <T extends { close(ms?: number): Promise<void> }>(closable: T): T => {
    cleanups.push(() => closable.close(1_000));
    return closable;
  };
  /** A proxy, a gate in front of it, and a producer whose official connection is through. */
  const started = async (requestTimeoutMs = 10_000) => {
    const proxy = later(await startFakeProxy());
    const gate = later(await startGate(proxy.endpoints, letIn));
    proxy.script.route = () => [gate.endpoints];
    const warn = vi.fn();
    const producer = later(await startProducer(gate.endpoints, { requestTimeoutMs, logger: { ...silentLogger, warn } }));
    return { proxy, gate, producer, warn };
  };

  it('is a second connection, for halves and their ENDs', async () => {
    const { proxy, gate, producer } = await started();
    expect(gate.connections).toBe(1);
    const halves = await Promise.all(Array.from({ length: 20 }, () => producer.sendHalf(outgoing())));
    await Promise.all(halves.map((half) => half.end('COMMIT')));
    expect(gate.connections).toBe(2);
    expect([sends(proxy), ends(proxy)]).toEqual([20, 20]);
  });

  it('is for the messages of a plain producer too', async () => {
    const proxy = later(await startFakeProxy());
    const gate = later(await startGate(proxy.endpoints, letIn));
    proxy.script.route = () => [gate.endpoints];
    // Its topics take transactions only, and nobody asks here.
    const producer = await adapter(gate.endpoints, { requestTimeoutMs: 10_000 })
      .startProducer({ topic: TOPIC, type: 'TRANSACTION' as never })
      .then(later);
    await producer.send(outgoing());
    expect([gate.connections, sends(proxy)]).toEqual([2, 1]);
  });

  it('is not for answers to check-backs: they take the connection that the question came on', async () => {
    const proxy = later(await startFakeProxy());
    const gate = later(await startGate(proxy.endpoints, letIn));
    proxy.script.route = () => [gate.endpoints];
    later(await startProducer(gate.endpoints, { checkBack: async () => 'COMMIT' }));
    proxy.checkBack({ topic: TOPIC, transactionId: 'T' });
    await eventually(() => expect(ends(proxy)).toBe(1));
    expect(gate.connections).toBe(1);
  });

  it('is not taken when the official one was chosen', async () => {
    const proxy = later(await startFakeProxy());
    const relay = later(await startRelay(proxy.endpoints));
    proxy.script.route = () => [relay.endpoints];
    const producer = later(await startProducer(relay.endpoints, { path: 'official' }));
    await (await producer.sendHalf(outgoing())).end('COMMIT');
    expect(relay.connectionsOpened).toBe(1);
  });

  it.each<[string, Admit, string]>([
    ['resets it', (socket) => socket.resetAndDestroy(), 'the official client sends meanwhile'],
    ['does not speak HTTP/2 there', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'until the next start'],
    ['says nothing there', () => {}, 'the official client sends meanwhile'],
  ])('gives way to the official one, without a loss or a second sending, when the proxy %s', async (_what, admit, warning) => {
    const { proxy, gate, producer, warn } = await started(6_000);
    gate.admit = admit;
    const halves = await Promise.all(Array.from({ length: 5 }, () => producer.sendHalf(outgoing())));
    await Promise.all(halves.map((half) => half.end('COMMIT')));
    expect([sends(proxy), ends(proxy)]).toEqual([5, 5]);
    expect(warn.mock.calls).toMatchObject([[{ address: gate.endpoints }, expect.stringContaining(warning)]]);
  });

  it('is taken again when it can be', async () => {
    const { proxy, gate, producer } = await started();
    gate.admit = (socket) => socket.resetAndDestroy();
    await producer.sendHalf(outgoing());
    gate.admit = letIn;
    const refused = gate.connections;
    await eventually(async () => {
      await producer.sendHalf(outgoing());
      expect(gate.connections).toBe(refused + 1);
    });
    await producer.sendHalf(outgoing());
    expect(gate.connections).toBe(refused + 1);
    expect(proxy.streams.size).toBe(1);
  });

  it('does not send a half again whose connection was lost: whether it is stored, nobody knows', async () => {
    const proxy = later(await startFakeProxy());
    const relay = later(await startRelay(proxy.endpoints));
    proxy.script.route = () => [relay.endpoints];
    const producer = later(await startProducer(relay.endpoints, { requestTimeoutMs: 10_000 }));
    proxy.script.receipt = () => new Promise(() => {});
    const lost = producer.sendHalf(outgoing()).catch((error: unknown) => error);
    await eventually(() => expect(sends(proxy)).toBe(1));
    relay.reset();
    expect(await lost).toMatchObject({ code: 'CB_HALF_MESSAGE', retryable: true });
    expect(sends(proxy)).toBe(1);
    proxy.script.receipt = () => {};
    await eventually(() => producer.sendHalf(outgoing()));
  });

  it('refuses a body that is too large, as the official one does, sending nothing', async () => {
    const { proxy, producer } = await started();
    const official = later(await startProducer(proxy.endpoints, { path: 'official' }));
    const tooLarge = { ...outgoing(), body: Buffer.alloc(4 * 1024 * 1024 + 1) };
    const refusals = await Promise.all(
      [producer, official].map((each) => each.sendHalf(tooLarge).catch((error: unknown) => (error as Error).cause)),
    );
    expect(refusals[0]).toEqual(refusals[1]);
    expect(refusals[0]).toBeInstanceOf(TypeError);
    await expect(producer.sendHalf(tooLarge)).rejects.toMatchObject({ code: 'CB_HALF_MESSAGE', retryable: false });
    expect(sends(proxy)).toBe(0);
  });

  it('is encrypted and verified as the official one', async () => {
    const pem = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'tls', name));
    const pair = [{ private_key: pem('server.key.pem'), cert_chain: pem('server.pem') }];
    const proxy = later(await startFakeProxy({ credentials: ServerCredentials.createSsl(null, pair) }));
    const gate = later(await startGate(proxy.endpoints, letIn));
    proxy.script.route = () => [gate.endpoints];
    const warn = vi.fn();
    const logger = { ...silentLogger, warn };
    const producer = later(
      await startProducer(gate.endpoints, { requestTimeoutMs: 10_000, tls: { ca: pem('authority.pem').toString() }, logger }),
    );
    await (await producer.sendHalf(outgoing())).end('COMMIT');
    expect([gate.connections, sends(proxy), ends(proxy)]).toEqual([2, 1, 1]);
    expect(warn).not.toHaveBeenCalled();
  });
});
