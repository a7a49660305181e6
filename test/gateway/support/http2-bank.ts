import { readFileSync } from 'node:fs';
import { constants, createSecureServer, type ServerHttp2Session, type ServerHttp2Stream, type SecureServerOptions } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';

const pem = (name: string): string => readFileSync(new URL(`../tls/${name}.pem`, import.meta.url), 'utf8');
export const authority = pem('authority');
const tls = { cert: pem('good'), key: pem('server.key') };

/** How one request fares. All but `refuse` and `stop-reading` take effect first. */
export type Http2Step =
  | 'ok'
  | 'refuse'
  | 'never-answer'
  | 'cancel'
  | 'cut-body'
  | 'short-body'
  | 'lose-connection'
  | 'go-away-after'
  | 'stop-reading'
  | 'endless';

export interface Http2Bank {
  readonly origin: string;
  readonly seen: { readonly headers: Readonly<Record<string, unknown>>; readonly body: string }[];
  /** Connections made so far, and those open. */
  readonly sessions: { made: number; readonly open: Set<ServerHttp2Session> };
  mostStreams: number;
  effects: number;
  close(): Promise<void>;
}

/** A bank that speaks HTTP/2 only; steps are used up from the front, then `ok`. */
export async function startHttp2Bank(
  steps: Http2Step[] = [],
  options: SecureServerOptions & { delayMs?: number } = {},
): Promise<Http2Bank> {
  const open = new Set<ServerHttp2Session>();
  const server = createSecureServer({ ...tls, ...options });
  let streams = 0;
  const bank: Http2Bank = {
    origin: '',
    seen: [],
    sessions: { made: 0, open },
    mostStreams: 0,
    effects: 0,
    close: () => {
      for (const session of open) session.destroy();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
  server.on('session', (session) => {
    bank.sessions.made += 1;
    open.add(session);
    session.on('error', () => {}).once('close', () => open.delete(session));
  });
  server.on('stream', (stream, headers) => {
    streams += 1;
    bank.mostStreams = Math.max(bank.mostStreams, streams);
    stream.on('error', () => {}).once('close', () => (streams -= 1));
    const step = steps.shift() ?? 'ok';
    if (step === 'refuse') return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    if (step === 'stop-reading') return;
    let body = '';
    stream.on('data', (chunk: Buffer) => (body += chunk.toString()));
    stream.once('end', () => {
      bank.seen.push({ headers, body });
      bank.effects += 1;
      setTimeout(() => play(step, stream), options.delayMs ?? 0);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(bank, { origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

const ANSWER = JSON.stringify({ paymentId: 'p', status: 'ACCEPTED' });

function play(step: Http2Step, stream: ServerHttp2Stream): void {
  const { session } = stream;
  const headers = { ':status': 201, 'content-type': 'application/json' };
  switch (step) {
    case 'never-answer':
      return;
    case 'cancel':
      return stream.close(constants.NGHTTP2_CANCEL);
    case 'lose-connection':
      return session?.destroy();
    case 'cut-body':
      stream.respond(headers);
      stream.write(ANSWER);
      return void setTimeout(() => stream.destroy(new Error('cut')), 50);
    case 'short-body':
      stream.respond({ ...headers, 'content-length': ANSWER.length + 10 });
      return void stream.end(ANSWER);
    case 'endless':
      stream.respond(headers);
      return void stream.end('x'.repeat(200_000));
    case 'go-away-after':
      stream.respond(headers);
      stream.end(ANSWER);
      return session?.goaway(constants.NGHTTP2_NO_ERROR);
    default:
      stream.respond({ ...headers, 'content-length': ANSWER.length });
      stream.end(ANSWER);
  }
}

const frame = (type: number, payload: Buffer = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  return Buffer.concat([head, payload]);
};
const SETTINGS = 4;
const GOAWAY = 7;

/** An endpoint that greets, and answers the first request by GOAWAY: it has processed none. `code` is the reason. */
export async function startGoingAway(code: number): Promise<{ readonly origin: string; close(): Promise<void> }> {
  const sockets = new Set<TLSSocket>();
  const server = createTlsServer({ ...tls, ALPNProtocols: ['h2'] }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write(frame(SETTINGS));
    let came = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      came = Buffer.concat([came, chunk]);
      // The path is a literal in the header block, and Huffman coded: the frame's type and stream id tell as well.
      if (!came.includes(Buffer.from([0, 0, 0, 1, 0x83]))) return;
      const reason = Buffer.alloc(8);
      reason.writeUInt32BE(code, 4);
      socket.write(frame(GOAWAY, reason));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}
