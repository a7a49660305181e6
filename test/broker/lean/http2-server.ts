import { once } from 'node:events';
import http2, { type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream, type Settings } from 'node:http2';
import type { AddressInfo } from 'node:net';

export type OnCall = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, body: Buffer) => void;

/** An HTTP/2 server on loopback that does with each call what it is told to, once the request is there. */
export interface Http2Server {
  readonly endpoints: string;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  readonly sessionsOpened: number;
  /** Replaced at any time. */
  onCall: OnCall;
  /** Calls whose headers came, oldest first. */
  readonly calls: readonly IncomingHttpHeaders[];
  close(): Promise<void>;
}

export async function startHttp2Server(onCall: OnCall, settings: Settings = {}): Promise<Http2Server> {
  const sessions = new Set<ServerHttp2Session>();
  const calls: IncomingHttpHeaders[] = [];
  let sessionsOpened = 0;
  const server = http2.createServer({ settings });
  server.on('session', (session) => {
    sessionsOpened += 1;
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  const started: Http2Server = {
    endpoints: '',
    sessions,
    get sessionsOpened() {
      return sessionsOpened;
    },
    onCall,
    calls,
    close: async () => {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  server.on('stream', (stream, headers) => {
    calls.push(headers);
    stream.on('error', () => {});
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      if (!stream.destroyed) started.onCall(stream, headers, Buffer.concat(chunks));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(started, { endpoints: `127.0.0.1:${(server.address() as AddressInfo).port}` });
}

/** One gRPC message with its five bytes before it. */
export function frame(message: string | Uint8Array, flag = 0): Buffer {
  const bytes = Buffer.from(message as string);
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };

/** An answer as gRPC servers give it: headers, the body in as many pieces as given, the status after it. */
export function answer(
  stream: ServerHttp2Stream,
  body: readonly Uint8Array[],
  trailers: Record<string, string> = { 'grpc-status': '0' },
): void {
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  for (const piece of body) stream.write(piece);
  stream.end();
}

/** An answer without a body: the status is in the only headers. */
export function trailersOnly(stream: ServerHttp2Stream, headers: Record<string, string>): void {
  stream.respond({ ...HEADERS, ...headers }, { endStream: true });
}
