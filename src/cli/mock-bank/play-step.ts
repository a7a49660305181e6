import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { MockBankStep, SeenRequest } from './mock-bank-step.ts';

/** The books: both return the body of the answer. */
export interface Ledger {
  act(seen: SeenRequest): string;
  refuse(seen: SeenRequest): string;
}

/** Milliseconds since the epoch, finer than the wall clock's and never running backwards. */
export const preciseNow = (): number => performance.timeOrigin + performance.now();

const JSON_TYPE = { 'content-type': 'application/json' };

/** Does to one request what its step says. Everything that acts does so once the whole body has come, before it answers. */
export function playStep(step: MockBankStep, request: IncomingMessage, response: ServerResponse, seen: SeenRequest, ledger: Ledger): void {
  const socket = request.socket;
  if (step.kind === 'stop-reading') return void socket.pause();
  if (step.kind === 'reset' && step.when === 'before-body') return reset(socket);
  request.on('data', (chunk: Buffer) => {
    seen.body += chunk.toString('utf8');
    if (step.kind === 'reset' && step.when === 'during-body') reset(socket);
  });
  request.on('error', () => {});
  request.once('end', () => {
    seen.bodyAt = preciseNow();
    answer(step, response, socket, seen, ledger);
  });
}

function answer(step: MockBankStep, response: ServerResponse, socket: Socket, seen: SeenRequest, ledger: Ledger): void {
  const reply = (status: number, body: string, headers: Readonly<Record<string, string | string[]>> = JSON_TYPE): void => {
    seen.answeredAt = preciseNow();
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body);
  };
  /** Headers that promise `missing` more bytes than `body` has. */
  const begin = (body: string, missing = 1): void => {
    seen.answeredAt = preciseNow();
    response.writeHead(201, { ...JSON_TYPE, 'content-length': Buffer.byteLength(body) + missing });
    response.write(body);
  };
  switch (step.kind) {
    case 'ok':
      return reply(201, ledger.act(seen));
    case 'reject':
      return reply(422, ledger.refuse(seen));
    case 'answer': {
      if (step.acts) ledger.act(seen);
      return reply(step.status, step.body ?? '', step.headers);
    }
    case 'never-answer':
      return void ledger.act(seen);
    case 'unavailable':
      return reply(503, '', step.retryAfter === undefined ? {} : { 'retry-after': step.retryAfter });
    case 'bad-gateway': {
      if (step.acts ?? true) ledger.act(seen);
      return reply(502, '<html><h1>502 Bad Gateway</h1></html>', { 'content-type': 'text/html' });
    }
    case 'reset': {
      const body = ledger.act(seen);
      if (step.when !== 'during-answer') return reset(socket);
      begin(body);
      // After the piece above has left, or the reset would overtake it.
      return void setTimeout(() => reset(socket), 20);
    }
    case 'slow': {
      const body = ledger.act(seen);
      return void setTimeout(() => reply(201, body), step.delayMs);
    }
    case 'slow-body':
      seen.answeredAt = preciseNow();
      return drip(response, ledger.act(seen), step.byteEveryMs);
    case 'stall-body':
      return begin(ledger.act(seen));
    case 'truncate':
      begin(ledger.act(seen), 100);
      return void socket.end();
    case 'endless':
      ledger.act(seen);
      response.writeHead(201, { 'content-type': 'application/octet-stream' });
      return pour(response);
    case 'close-after':
      response.once('finish', () => socket.end());
      return reply(201, ledger.act(seen), { ...JSON_TYPE, connection: 'keep-alive' });
    case 'garbage':
      ledger.act(seen);
      return void socket.end(step.bytes ?? 'this is not HTTP\r\n\r\n');
    case 'stop-reading':
      return;
  }
}

/** Ends a connection by RST, as a crash or a firewall does; TLS sockets only know how to be destroyed. */
export function reset(socket: Socket): void {
  if (typeof socket.resetAndDestroy === 'function' && !('encrypted' in socket)) socket.resetAndDestroy();
  else socket.destroy();
}

function drip(response: ServerResponse, body: string, everyMs: number): void {
  const bytes = Buffer.from(body);
  response.writeHead(201, { ...JSON_TYPE, 'content-length': bytes.length });
  response.flushHeaders();
  let at = 0;
  const timer = setInterval(() => {
    response.write(bytes.subarray(at, ++at));
    if (at < bytes.length) return;
    clearInterval(timer);
    response.end();
  }, everyMs);
  response.once('close', () => clearInterval(timer));
}

function pour(response: ServerResponse): void {
  const piece = Buffer.alloc(64 * 1024, 120);
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', more);
  more();
}
