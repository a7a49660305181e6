import { createHmac } from 'node:crypto';
import http2, { constants } from 'node:http2';
import { Producer } from 'rocketmq-client-nodejs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { GrpcProtocolError } from '../../../src/broker/rocketmq/lean/grpc-failure.ts';
import { LeanCalls, type LeanCallsOptions } from '../../../src/broker/rocketmq/lean/lean-calls.ts';
import { readAnswer } from '../../../src/broker/rocketmq/lean/read-answer.ts';
import { requestHeaders } from '../../../src/broker/rocketmq/lean/request-headers.ts';
import { silentLogger } from '../../../src/shared/logger.ts';
import { eventually } from '../harness.ts';
import { answer, frame, type Http2Server, type OnCall, startHttp2Server } from './http2-server.ts';

const REQUEST = frame('hello');
const echo: OnCall = (stream, _, body) => answer(stream, [body]);

describe('LeanCalls', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    vi.restoreAllMocks();
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  const serve = async (onCall: OnCall = echo): Promise<Http2Server> => {
    const server = await startHttp2Server(onCall);
    cleanups.push(() => server.close());
    return server;
  };
  const open = (options: Partial<LeanCallsOptions> = {}) => {
    const [warn, debug] = [vi.fn(), vi.fn()];
    const calls = new LeanCalls({
      tls: false,
      timeoutMs: 30_000,
      logger: { ...silentLogger, warn, debug },
      metadata: () => ({}),
      peer: (address) => address,
      ...options,
    });
    cleanups.push(() => calls.close());
    const call = async (address: string): Promise<string | undefined> => (await calls.call(address, '/s/M', REQUEST))?.toString();
    return { calls, call, warn, debug };
  };
  /** As if so much time had gone by, for what asks the clock. */
  const passes = (ms: number): void => {
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + ms);
  };
  /** An address where nobody is. */
  const nowhere = async (): Promise<string> => {
    const server = await startHttp2Server(echo);
    await server.close();
    return server.endpoints;
  };

  it('has one session an address', async () => {
    const [one, two] = [await serve(), await serve()];
    const { call } = open();
    const both = [one, two].flatMap(({ endpoints }) => [call(endpoints), call(endpoints)]);
    expect(await Promise.all(both)).toEqual(['hello', 'hello', 'hello', 'hello']);
    await call(one.endpoints);
    expect([one.sessionsOpened, two.sessionsOpened]).toEqual([1, 1]);
    expect([one.calls.length, two.calls.length]).toEqual([3, 2]);
  });

  it('connects where the official client is connected, under the name that the user gave', async () => {
    const server = await serve();
    const { call } = open({ peer: () => server.endpoints });
    expect(await call('proxies.internal:8081')).toBe('hello');
    expect(server.calls[0]).toMatchObject({ ':authority': 'proxies.internal:8081', ':scheme': 'http', ':method': 'POST', ':path': '/s/M' });
  });

  it('leaves a call to the official client while it does not know where that one is connected', async () => {
    const server = await serve();
    let peer: string | undefined;
    const { call } = open({ peer: () => peer });
    expect(await call(server.endpoints)).toBeUndefined();
    peer = server.endpoints;
    expect(await call(server.endpoints)).toBe('hello');
  });

  it('leaves calls to the official client while there is no connection, says so once, and tries again later', async () => {
    const gone = await nowhere();
    const { call, warn, debug } = open();
    expect(await Promise.all([call(gone), call(gone)])).toEqual([undefined, undefined]);
    expect(await call(gone)).toBeUndefined();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]).toMatchObject([
      { address: gone, pauseMs: 1_000 },
      expect.stringContaining('the official client sends meanwhile'),
    ]);
    passes(3_600_000);
    expect(await call(gone)).toBeUndefined();
    expect(debug.mock.calls[0]).toMatchObject([{ address: gone, pauseMs: 2_000 }, expect.any(String)]);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('leaves calls to the official client when not even a connection can be begun', async () => {
    const { call, warn } = open({ peer: () => 'no address at all' });
    expect(await call('a:1')).toBeUndefined();
    expect(warn.mock.calls).toMatchObject([[{ address: 'a:1', error: { code: 'ERR_INVALID_URL' } }, expect.any(String)]]);
  });

  it('comes back to an address that can be reached again', async () => {
    const server = await serve();
    let peer = await nowhere();
    const { call } = open({ peer: () => peer });
    expect(await call('a:1')).toBeUndefined();
    peer = server.endpoints;
    expect(await call('a:1')).toBeUndefined();
    passes(3_600_000);
    expect(await call('a:1')).toBe('hello');
  });

  it('rejects the call that was answered with something else, once, and leaves the address to the official client for good', async () => {
    const server = await serve((stream) => stream.respond({ ':status': 404 }, { endStream: true }));
    const { call, warn } = open();
    await expect(call(server.endpoints)).rejects.toBeInstanceOf(GrpcProtocolError);
    server.onCall = echo;
    passes(3_600_000);
    expect(await call(server.endpoints)).toBeUndefined();
    expect(server.calls).toHaveLength(1);
    expect(warn.mock.calls).toMatchObject([[{ address: server.endpoints }, expect.stringContaining('until the next start')]]);
  });

  it('trusts an address no more whose answer cannot be read', async () => {
    const server = await serve();
    const { call, calls, warn } = open();
    await call(server.endpoints);
    const unreadable = (): never => {
      throw new RangeError('not protobuf');
    };
    expect(() => readAnswer(calls, server.endpoints, Buffer.of(), unreadable)).toThrow(
      '13 INTERNAL: the answer cannot be read: not protobuf',
    );
    expect(await call(server.endpoints)).toBeUndefined();
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('leaves a call that the server did not look at to the official client, and goes on with the others', async () => {
    const server = await serve((stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    const { call, warn } = open();
    expect(await call(server.endpoints)).toBeUndefined();
    server.onCall = echo;
    expect(await call(server.endpoints)).toBe('hello');
    expect([server.sessionsOpened, warn.mock.calls.length]).toEqual([1, 0]);
  });

  it('does not make a call again whose connection was lost, and connects anew for the next', async () => {
    const server = await serve(() => {
      for (const session of server.sessions) session.destroy();
    });
    const { call } = open();
    await expect(call(server.endpoints)).rejects.toMatchObject({ code: 14 });
    expect(server.calls).toHaveLength(1);
    server.onCall = echo;
    await eventually(async () => expect(await call(server.endpoints)).toBe('hello'));
    expect(server.sessionsOpened).toBe(2);
  });

  it.each(['GOAWAY', 'retire()'])('connects anew after %s', async (how) => {
    const server = await serve();
    const { call, calls } = open();
    await call(server.endpoints);
    if (how === 'retire()') calls.retire(server.endpoints);
    else for (const session of server.sessions) session.goaway(constants.NGHTTP2_NO_ERROR);
    await eventually(async () => {
      expect(await call(server.endpoints)).toBe('hello');
      expect(server.sessionsOpened).toBe(2);
    });
  });

  it('close() ends calls and connections, and leaves what comes later to the official client', async () => {
    const server = await serve(() => {});
    const { call, calls } = open();
    const underway = call(server.endpoints).catch((error: unknown) => error);
    await eventually(() => expect(server.calls).toHaveLength(1));
    await calls.close();
    expect(await underway).toMatchObject({ code: 1 });
    expect(await call(server.endpoints)).toBeUndefined();
    await calls.close();
    expect(server.sessionsOpened).toBe(1);
  });
});

describe('the headers of a lean call', () => {
  afterEach(() => vi.useRealTimers());
  const options = { scheme: 'http', authority: 'a:1', timeoutMs: 3_000 } as const;

  it("are those of the official client, signed as by it, with gRPC's own", () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_123 });
    const sessionCredentials = { accessKey: 'key', accessSecret: 'secret', securityToken: 'token' };
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const client = new Producer({ endpoints: 'a:1', namespace: '', sessionCredentials, logger });
    client.getRpcClientManager().close();
    const metadata = () => client.getRequestMetadata().getMap() as Record<string, string>;
    const ours = requestHeaders({ ...options, metadata })();
    expect({ ...ours }).toEqual({
      ':method': 'POST',
      ':scheme': 'http',
      ':authority': 'a:1',
      te: 'trailers',
      'content-type': 'application/grpc',
      'grpc-timeout': '3000m',
      ...metadata(),
      'x-mq-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      [http2.sensitiveHeaders]: ['x-mq-request-id', 'authorization'],
    });
    const signature = createHmac('sha1', 'secret').update('20231114T221320Z').digest('hex').toUpperCase();
    expect(ours.authorization).toBe(`MQv2-HMAC-SHA1 Credential=key, SignedHeaders=x-mq-date-time, Signature=${signature}`);
  });

  it('are asked for once a second, with a request id of their own', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 });
    const metadata = vi.fn(() => ({ 'x-mq-date-time': String(Date.now()), 'x-mq-request-id': 'of the client' }));
    const headers = requestHeaders({ ...options, metadata });
    const ids = [headers(), headers(), headers()].map((each) => each['x-mq-request-id']);
    expect(new Set(ids).size).toBe(3);
    expect(ids).not.toContain('of the client');
    vi.setSystemTime(1_700_000_000_999);
    expect(headers()['x-mq-date-time']).toBe('1700000000000');
    expect(metadata).toHaveBeenCalledTimes(1);
    vi.setSystemTime(1_700_000_001_000);
    expect(headers()['x-mq-date-time']).toBe('1700000001000');
  });
});
