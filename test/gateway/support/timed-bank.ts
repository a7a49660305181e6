import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long this bank takes over each phase of a request. */
export interface Slowness {
  /** Between the TCP connection and the TLS handshake. */
  readonly handshakeMs: number;
  /** During which it reads nothing of a body that has begun. */
  readonly readMs: number;
  readonly headersMs: number;
  readonly bodyMs: number;
}

/** When things happened by the bank's own clock, in milliseconds. */
export interface Moments {
  accepted: number;
  secured: number;
  firstByte: number;
  lastByte: number;
  headersSent: number;
  bodySent: number;
}

/** A bank that takes its time in every phase, and writes down when each began and ended. One request at a time. */
export async function startTimedBank(
  slow: Slowness,
  { tls, http2 = false }: { readonly tls?: { readonly cert: string; readonly key: string }; readonly http2?: boolean } = {},
): Promise<{ readonly origin: string; readonly moments: Moments; close(): Promise<void> }> {
  const moments: Moments = { accepted: 0, secured: 0, firstByte: 0, lastByte: 0, headersSent: 0, bodySent: 0 };
  const handle = async (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): Promise<void> => {
    moments.firstByte = performance.now();
    // Not reading fills the kernel's buffers, and then the caller's write has to wait.
    await sleep(slow.readMs);
    await readAll(request);
    moments.lastByte = performance.now();
    await sleep(slow.headersMs);
    const body = JSON.stringify({ paymentId: 'p', status: 'ACCEPTED' });
    (response as ServerResponse).writeHead(201, { 'content-type': 'application/json', 'content-length': body.length });
    (response as ServerResponse).flushHeaders();
    moments.headersSent = performance.now();
    await sleep(slow.bodyMs);
    response.end(body);
    moments.bodySent = performance.now();
  };
  const onRequest = (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void =>
    void handle(request, response);
  const server = !tls ? createHttpServer(onRequest) : http2 ? createSecureServer(tls, onRequest) : createHttpsServer(tls, onRequest);
  server.on('secureConnection', () => void (moments.secured = performance.now()));
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    moments.accepted = performance.now();
    sockets.add(socket);
    setTimeout(() => server.emit('connection', socket), tls ? slow.handshakeMs : 0);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    origin: `${tls ? 'https' : 'http'}://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    moments,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => void listener.close(() => resolve()));
    },
  };
}

async function readAll(request: IncomingMessage | Http2ServerRequest): Promise<void> {
  for await (const _ of request);
}
