import http2, { constants } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { GrpcFailure, GrpcProtocolError, NotSentError } from '../../../src/broker/rocketmq/lean/grpc-failure.ts';
import { GrpcSession, type GrpcSessionOptions } from '../../../src/broker/rocketmq/lean/grpc-session.ts';
import { eventually } from '../harness.ts';
import { answer, frame, type Http2Server, type OnCall, startHttp2Server, trailersOnly } from './http2-server.ts';

const REQUEST = frame('hello');
const echo: OnCall = (stream, _, body) => answer(stream, [body]);
const hang: OnCall = () => {};
const failure = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    (value) => Promise.reject(new Error(`resolved with ${String(value)}`)),
    (error: Error) => error,
  );

describe('GrpcSession', () => {
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  const serve = async (onCall: OnCall, settings = {}): Promise<Http2Server> => {
    const server = await startHttp2Server(onCall, settings);
    cleanups.push(() => server.close());
    return server;
  };
  const open = (endpoints: string, options: Partial<GrpcSessionOptions> = {}) => {
    const [onRetired, onClosed] = [vi.fn<(refused?: Error) => void>(), vi.fn<() => void>()];
    const session = new GrpcSession({
      connect: () => http2.connect(`http://${endpoints}`),
      headers: () => ({
        ':method': 'POST',
        ':scheme': 'http',
        ':authority': endpoints,
        te: 'trailers',
        'content-type': 'application/grpc',
      }),
      timeoutMs: 30_000,
      openTimeoutMs: options.timeoutMs ?? 15_000,
      idleMs: 60_000,
      maxCalls: 1_000_000,
      onRetired,
      onClosed,
      ...options,
    });
    cleanups.push(() => session.close());
    const call = (path = '/s/M', request = REQUEST) => session.call(path, request);
    return { session, call, onRetired, onClosed };
  };
  /** A port that takes connections and does with them what it is told. */
  const serveTcp = async (onSocket: (socket: Socket) => void): Promise<string> => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      onSocket(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return `127.0.0.1:${(server.address() as { port: number }).port}`;
  };

  it('gives back the message of the answer, whose status comes after it', async () => {
    const server = await serve(echo);
    const { call, session } = open(server.endpoints);
    expect((await call('/s/One')).toString()).toBe('hello');
    expect((await call('/s/Two', frame(''))).toString()).toBe('');
    expect(server.calls.map((headers) => headers[':path'])).toEqual(['/s/One', '/s/Two']);
    expect(session.state).toBe('open');
  });

  it('puts a message together that comes in pieces, its length cut in two', async () => {
    const whole = frame('x'.repeat(200_000));
    const server = await serve((stream) => answer(stream, [whole.subarray(0, 3), whole.subarray(3, 100_000), whole.subarray(100_000)]));
    expect((await open(server.endpoints).call()).length).toBe(200_000);
  });

  it('sends a body of megabytes', async () => {
    const server = await serve((stream, _, body) => answer(stream, [frame(String(body.length))]));
    expect((await open(server.endpoints).call('/s/M', Buffer.alloc(5_000_000))).toString()).toBe('5000000');
  });

  it('keeps the answers of many calls apart', async () => {
    const { call } = open((await serve(echo)).endpoints);
    const answers = await Promise.all(Array.from({ length: 500 }, (_, n) => call('/s/M', frame(String(n)))));
    expect(answers.map(String)).toEqual(Array.from({ length: 500 }, (_, n) => String(n)));
  });

  it.each<[string, OnCall, number, string]>([
    [
      'in the trailers',
      (stream) => answer(stream, [], { 'grpc-status': '8', 'grpc-message': 'zu%20viel%21%20%E2%82%AC' }),
      8,
      '8 RESOURCE_EXHAUSTED: zu viel! €',
    ],
    ['in the trailers, after a message', (stream, _, body) => answer(stream, [body], { 'grpc-status': '13' }), 13, '13 INTERNAL: '],
    [
      'in the only headers',
      (stream) => trailersOnly(stream, { 'grpc-status': '16', 'grpc-message': 'who?' }),
      16,
      '16 UNAUTHENTICATED: who?',
    ],
    ['under another HTTP status', (stream) => trailersOnly(stream, { ':status': '503', 'grpc-status': '14' }), 14, '14 UNAVAILABLE: '],
    ['with a broken encoding', (stream) => trailersOnly(stream, { 'grpc-status': '2', 'grpc-message': '100%' }), 2, '2 UNKNOWN: 100%'],
    ['that is no number', (stream) => trailersOnly(stream, { 'grpc-status': 'bad' }), 2, '2 UNKNOWN: '],
    [
      'instead of which a server in between is busy',
      (stream) => stream.respond({ ':status': 502 }, { endStream: true }),
      14,
      'HTTP status 502',
    ],
  ])('rejects with a status %s', async (_what, onCall, code, message) => {
    const server = await serve(onCall);
    const { call, session } = open(server.endpoints);
    const error = await failure(call());
    expect(error).toBeInstanceOf(GrpcFailure);
    expect(error).not.toBeInstanceOf(GrpcProtocolError);
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    // The session is as good as before.
    server.onCall = echo;
    await call();
    expect(session.state).toBe('open');
  });

  it.each<[string, OnCall, string]>([
    ['a page', (stream) => stream.respond({ ':status': 404, 'content-type': 'text/html' }, { endStream: true }), 'HTTP status 404'],
    ['text', (stream) => stream.respond({ ':status': 200, 'content-type': 'text/plain' }, { endStream: true }), 'of type "text/plain"'],
    ['no type', (stream) => stream.respond({ ':status': 200 }, { endStream: true }), 'of type undefined'],
    [
      'no status',
      (stream, _, body) => (stream.respond({ ':status': 200, 'content-type': 'application/grpc' }), stream.end(body)),
      'without a gRPC status',
    ],
    ['no message', (stream) => answer(stream, []), 'without a message'],
    ['two messages', (stream, _, body) => answer(stream, [body, body]), 'a message of 5 bytes'],
    ['a compressed message', (stream) => answer(stream, [frame('x', 1)]), 'a compressed answer'],
    ['more than anybody needs', (stream) => answer(stream, [frame(Buffer.alloc(1_100_000))]), 'more than 1048576 bytes'],
    ['a protocol error', (stream) => stream.close(constants.NGHTTP2_PROTOCOL_ERROR), 'reset with code 1'],
  ])('says of %s that it is no gRPC', async (_what, onCall, message) => {
    const error = await failure(open((await serve(onCall)).endpoints).call());
    expect(error).toBeInstanceOf(GrpcProtocolError);
    expect(error.message).toContain(message);
  });

  it.each([
    ['cancelled', constants.NGHTTP2_CANCEL],
    ['failed within', constants.NGHTTP2_INTERNAL_ERROR],
  ])('does not know what became of a call that the server %s', async (_what, code) => {
    const error = await failure(open((await serve((stream) => stream.close(code))).endpoints).call());
    expect(error).toBeInstanceOf(GrpcFailure);
    expect(error).toMatchObject({ code: 14 });
  });

  it('knows that a refused stream was not looked at', async () => {
    const server = await serve((stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    expect(await failure(open(server.endpoints).call())).toBeInstanceOf(NotSentError);
  });

  it('after GOAWAY ends the calls that the server looked at, and takes no others', async () => {
    const release = Promise.withResolvers<void>();
    const server = await serve((stream, _, body) => void release.promise.then(() => answer(stream, [body])));
    const { call, session, onRetired, onClosed } = open(server.endpoints);
    const underway = call();
    await eventually(() => expect(server.calls).toHaveLength(1));
    for (const serverSession of server.sessions) serverSession.goaway(constants.NGHTTP2_NO_ERROR);
    await eventually(() => expect(session.state).toBe('retired'));
    expect(onRetired.mock.calls).toEqual([[]]);
    expect(await failure(call())).toBeInstanceOf(NotSentError);
    release.resolve();
    expect((await underway).toString()).toBe('hello');
    await eventually(() => expect(onClosed).toHaveBeenCalledTimes(1));
    expect(session.state).toBe('closed');
    expect(server.calls).toHaveLength(1);
  });

  it('knows that a call beyond the last one a GOAWAY names was not looked at', async () => {
    const server = await serve(hang);
    const { call } = open(server.endpoints);
    const [first, second] = [failure(call('/s/1')), failure(call('/s/2'))];
    await eventually(() => expect(server.calls).toHaveLength(2));
    for (const serverSession of server.sessions) serverSession.goaway(constants.NGHTTP2_NO_ERROR, 1);
    expect(await second).toBeInstanceOf(NotSentError);
    for (const serverSession of server.sessions) serverSession.destroy();
    expect(await first).toMatchObject({ code: 14 });
  });

  it('gives a call that gets no answer its time, and the next calls another session', async () => {
    const server = await serve(hang);
    const { call, session, onRetired } = open(server.endpoints, { timeoutMs: 200 });
    expect(await failure(call())).toMatchObject({ name: 'GrpcFailure', code: 4, message: '4 DEADLINE_EXCEEDED: Deadline exceeded' });
    expect(onRetired.mock.calls).toEqual([[]]);
    await eventually(() => expect(session.state).toBe('closed'));
  });

  it('stays with a session that answers others when one call gets no answer', async () => {
    const server = await serve((stream, headers, body) => (headers[':path'] === '/s/hang' ? undefined : answer(stream, [body])));
    const { call, session } = open(server.endpoints, { timeoutMs: 500 });
    let isLate = false;
    const late = failure(call('/s/hang')).finally(() => (isLate = true));
    while (!isLate) await call();
    expect(await late).toMatchObject({ code: 4 });
    expect(session.state).toBe('open');
    await call();
    expect(server.sessionsOpened).toBe(1);
  });

  it('does not know what became of the calls of a session that is lost', async () => {
    const server = await serve(hang);
    const { call, session, onRetired, onClosed } = open(server.endpoints);
    const calls = [failure(call()), failure(call())];
    await eventually(() => expect(server.calls).toHaveLength(2));
    for (const serverSession of server.sessions) serverSession.destroy();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ name: 'GrpcFailure', code: 14 });
    await eventually(() => expect(session.state).toBe('closed'));
    expect(onRetired).toHaveBeenCalledTimes(1);
    expect(onRetired.mock.calls[0]![0]).toBeUndefined();
    await eventually(() => expect(onClosed).toHaveBeenCalledTimes(1));
  });

  it('has as many calls under way as the server allows, and the others wait for their turn', async () => {
    const running = new Set<object>();
    let most = 0;
    const server = await serve(
      (stream, _, body) => {
        running.add(stream);
        most = Math.max(most, running.size);
        stream.on('close', () => running.delete(stream));
        setImmediate(() => answer(stream, [body]));
      },
      { maxConcurrentStreams: 3 },
    );
    const { call } = open(server.endpoints);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => call('/s/M', frame(String(n)))));
    expect(answers.map(String)).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
    expect(most).toBeLessThanOrEqual(3);
  });

  it('counts the wait for a turn, and sends nothing that is late', async () => {
    const server = await serve(hang, { maxConcurrentStreams: 1 });
    const { call } = open(server.endpoints, { timeoutMs: 300 });
    const errors = await Promise.all([failure(call('/s/first')), failure(call('/s/second'))]);
    expect(errors[0]).toMatchObject({ code: 4 });
    // Late as well, or refused when the first one's session was given up: sent it was not.
    expect(errors[1].name === 'NotSentError' || errors[1].message.startsWith('4 ')).toBe(true);
    expect(server.calls.map((headers) => headers[':path'])).toEqual(['/s/first']);
  });

  it('is replaced before its numbers end', async () => {
    const server = await serve(echo);
    const { call, session, onRetired } = open(server.endpoints, { maxCalls: 2 });
    await Promise.all([call(), call()]);
    expect(onRetired).toHaveBeenCalledTimes(1);
    await eventually(() => expect(session.state).toBe('closed'));
  });

  it('is given up when it has been idle', async () => {
    const server = await serve(echo);
    const { call, session, onRetired } = open(server.endpoints, { timeoutMs: 10_000, openTimeoutMs: 10_000, idleMs: 100 });
    await call();
    await eventually(() => expect(session.state).toBe('closed'));
    expect(onRetired.mock.calls).toEqual([[]]);
    await eventually(() => expect(server.sessions.size).toBe(0));
  });

  describe('that cannot be opened sends nothing and says so', () => {
    it('when nobody listens', async () => {
      const endpoints = await serveTcp(() => {});
      for (const cleanup of cleanups.splice(0)) await cleanup();
      const { call, onRetired } = open(endpoints);
      expect(await failure(call())).toBeInstanceOf(NotSentError);
      expect(onRetired.mock.calls[0]![0]).toMatchObject({ code: 14, message: expect.stringContaining('ECONNREFUSED') });
    });

    it('when nothing is said', async () => {
      const received: Buffer[] = [];
      const endpoints = await serveTcp((socket) => socket.on('data', (chunk) => received.push(chunk)));
      const { call, onRetired } = open(endpoints, { openTimeoutMs: 200 });
      expect(await failure(call())).toBeInstanceOf(NotSentError);
      expect(onRetired.mock.calls[0]![0]).toMatchObject({ message: expect.stringContaining('no HTTP/2 settings within 200 ms') });
      expect(Buffer.concat(received).toString('latin1')).not.toContain('hello');
    });

    it('when the other side does not speak HTTP/2', async () => {
      const endpoints = await serveTcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      const { call, onRetired } = open(endpoints);
      expect(await failure(call())).toBeInstanceOf(NotSentError);
      expect(onRetired.mock.calls[0]![0]).toBeInstanceOf(GrpcProtocolError);
    });

    it('when it is given up before', async () => {
      const { call, session } = open(await serveTcp(() => {}));
      const waiting = failure(call());
      session.retire();
      expect(await waiting).toBeInstanceOf(NotSentError);
      expect(session.state).toBe('closed');
    });
  });

  it('close() ends what is under way and what waits, and the connection', async () => {
    const server = await serve(echo, { maxConcurrentStreams: 1 });
    const { call, session, onClosed } = open(server.endpoints);
    await call();
    server.onCall = hang;
    const [sent, waiting] = [failure(call()), failure(call())];
    await eventually(() => expect(server.calls).toHaveLength(2));
    session.close();
    session.close();
    expect(await sent).toMatchObject({ code: 1, message: '1 CANCELLED: Cancelled on client' });
    expect(await waiting).toBeInstanceOf(NotSentError);
    expect(await failure(call())).toBeInstanceOf(NotSentError);
    await eventually(() => expect(onClosed).toHaveBeenCalledTimes(1));
    await eventually(() => expect(server.sessions.size).toBe(0));
  });

  it.each([
    ['connecting', (): Promise<string> => Promise.resolve('192.0.2.1:81')],
    ['waiting for settings', (): Promise<string> => serveTcp(() => {})],
  ])('close() ends the connection while it is %s', async (_what, endpoints) => {
    const { session, onClosed } = open(await endpoints());
    session.close();
    await eventually(() => expect(onClosed).toHaveBeenCalledTimes(1));
  });
});
