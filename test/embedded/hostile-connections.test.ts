import { randomBytes } from 'node:crypto';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { EmbeddedBroker } from '../../src/testing.ts';

const eventually = <T>(attempt: () => T | Promise<T>): Promise<T> => vi.waitFor(attempt, { timeout: 20_000, interval: 20 });
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

describe('The port of an embedded broker', () => {
  let broker: EmbeddedBroker;
  let port: number;
  const sockets: Socket[] = [];
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);

  beforeEach(async () => {
    process.on('uncaughtException', note);
    process.on('unhandledRejection', note);
    broker = await EmbeddedBroker.start({ topics: { orders: 'TRANSACTION' }, groups: { bank: {} }, settings: { maxConnections: 50 } });
    port = Number(broker.endpoints.split(':')[1]);
  });

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await broker.close();
    process.removeListener('uncaughtException', note);
    process.removeListener('unhandledRejection', note);
    // oxlint-disable-next-line vitest/no-standalone-expect -- holds for every test
    expect(unhandled.splice(0)).toEqual([]);
  });

  /** A connection, and whether it has been ended. */
  function open(): { socket: Socket; closed: Promise<void> } {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => {});
    socket.resume();
    return { socket, closed: new Promise((resolve) => socket.once('close', () => resolve())) };
  }

  async function stillWorks(): Promise<void> {
    const client = rocketmq({ endpoints: broker.endpoints });
    const producer = await client.startTransactionalProducer({ topics: ['orders'], checkBack: async () => 'UNKNOWN' });
    const half = await producer.sendHalf({ topic: 'orders', tag: '', keys: [], properties: {}, body: Buffer.from('x') });
    await half.end('COMMIT');
    await producer.close();
    await eventually(() => expect(broker.inspect.stats.connections).toBe(0));
  }

  it.each([
    ['random bytes', () => randomBytes(100_000)],
    ['another protocol', () => Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a preface and random bytes', () => Buffer.concat([Buffer.from(PREFACE), randomBytes(100_000)])],
    ['a frame that claims 16 MB', () => Buffer.concat([Buffer.from(PREFACE), Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])])],
    ['a preface that differs in its last byte', () => Buffer.from(`${PREFACE.slice(0, -1)}X`)],
  ])('closes a connection that sends %s', async (_what, bytes) => {
    const { socket, closed } = open();
    socket.write(bytes());
    await closed;
    await stillWorks();
  });

  it('survives connections that are cut at every stage', async () => {
    const stages = [
      Buffer.alloc(0),
      Buffer.from('PRI'),
      Buffer.from(PREFACE),
      Buffer.concat([Buffer.from(PREFACE), Buffer.from([0, 0, 0, 4, 0])]),
    ];
    for (let round = 0; round < 25; round += 1) {
      for (const bytes of stages) {
        const { socket } = open();
        socket.write(bytes, () => socket.resetAndDestroy());
      }
    }
    await eventually(() => expect(broker.inspect.stats.connections).toBe(0));
    await stillWorks();
  });

  it('holds no more than maxConnections, and works again when they are gone', async () => {
    const opened = Array.from({ length: 1_000 }, () => open());
    let ended = 0;
    for (const { closed } of opened) void closed.then(() => (ended += 1));
    await eventually(() => expect(ended).toBeGreaterThanOrEqual(950));
    expect(broker.inspect.stats.connections).toBeLessThanOrEqual(50);
    for (const { socket } of opened) socket.destroy();
    await eventually(() => expect(broker.inspect.stats.connections).toBe(0));
    await stillWorks();
  }, 60_000);

  it('refuses a request by its length, before it is read', async () => {
    const session = connectHttp2(`http://${broker.endpoints}`);
    session.on('error', () => {});
    const stream = session.request({
      ':method': 'POST',
      ':path': '/apache.rocketmq.v2.MessagingService/SendMessage',
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-mq-client-id': 'c',
    });
    stream.on('error', () => {});
    const ended = new Promise<Record<string, unknown>>((resolve) => {
      stream.on('response', (headers) => headers['grpc-status'] !== undefined && resolve(headers));
      stream.on('trailers', resolve);
    });
    stream.resume();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(1_000_000_000, 1);
    stream.write(head);
    expect(await ended).toMatchObject({ 'grpc-status': '8' });
    session.destroy();
    await stillWorks();
  });

  it('answers a client without a name, an unknown method and garbage in a request, each in its way', async () => {
    const call = (path: string, body: Buffer, headers: Record<string, string> = {}) =>
      new Promise<{ status: string; bytes: Buffer }>((resolve, reject) => {
        const session = connectHttp2(`http://${broker.endpoints}`);
        session.on('error', reject);
        const stream = session.request({
          ':method': 'POST',
          ':path': `/apache.rocketmq.v2.MessagingService/${path}`,
          'content-type': 'application/grpc',
          te: 'trailers',
          ...headers,
        });
        let status = '';
        const parts: Buffer[] = [];
        stream.on('response', (answer) => (status = String(answer['grpc-status'] ?? '')));
        stream.on('trailers', (answer) => (status = String(answer['grpc-status'])));
        stream.on('data', (part: Buffer) => parts.push(part));
        stream.on('error', reject);
        stream.on('close', () => {
          session.destroy();
          resolve({ status, bytes: Buffer.concat(parts) });
        });
        const frame = Buffer.alloc(5 + body.length);
        frame.writeUInt32BE(body.length, 1);
        body.copy(frame, 5);
        stream.end(frame);
      });
    const nameless = await call('QueryRoute', Buffer.alloc(0));
    expect(nameless.status).toBe('0');
    expect(nameless.bytes.toString('latin1')).toContain('client id cannot be empty');
    expect((await call('NoSuchMethod', Buffer.alloc(0), { 'x-mq-client-id': 'c' })).status).toBe('12');
    expect((await call('RecallMessage', Buffer.alloc(0), { 'x-mq-client-id': 'c' })).status).toBe('12');
    expect((await call('QueryRoute', randomBytes(1_000).fill(0xff, 0, 20), { 'x-mq-client-id': 'c' })).status).toBe('13');
    await stillWorks();
  });

  it('is closed to everybody but this machine', async () => {
    const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    for (const { address, internal, family } of addresses) {
      if (internal || family !== 'IPv4') continue;
      const refused = new Promise((resolve) => connect(port, address).once('error', resolve));
      expect(await refused).toMatchObject({ code: 'ECONNREFUSED' });
    }
    expect(broker.endpoints).toMatch(/^127\.0\.0\.1:/);
  });
});
