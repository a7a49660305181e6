import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { MockBankScript, MockBankStep, SeenRequest } from './mock-bank-step.ts';
import { playStep, preciseNow, reset } from './play-step.ts';

export type { MockBankScript, MockBankStep, SeenRequest } from './mock-bank-step.ts';

export interface MockBankOptions {
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default: every payment succeeds. */
  readonly script?: MockBankScript;
  /** PEM; makes it https. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A bank in one process: takes payments, fails on demand, and remembers what took effect. */
export interface MockBank {
  readonly origin: string;
  /** How often each idempotency key took effect. Deliberately not deduplicated: 2 means that somebody paid twice. */
  readonly effects: Map<string, number>;
  readonly requests: readonly SeenRequest[];
  /** Sockets open now. */
  readonly connections: number;
  /** Resets every open connection, as a crash does; the bank goes on. */
  resetConnections(): void;
  /** Replaces what is left of the script. */
  follow(script: MockBankScript): void;
  /** Resolves at the first request that matches, at once when there was one already. */
  seen(match: (request: SeenRequest) => boolean): Promise<SeenRequest>;
  /** Destroys every connection. Idempotent. */
  close(): Promise<void>;
}

/** What a payment came to, as a status check tells it. */
interface Payment {
  readonly status: 'ACCEPTED' | 'REJECTED';
  readonly body: string;
}

/**
 * Starts it. `POST /payments` takes `{ orderId, amountMinor, currency }` under an `idempotency-key`; `GET /payments/:key`
 * says 200 with `{ status: "ACCEPTED" | "REJECTED" }`, or 404 when the payment never arrived.
 */
export async function startMockBank({ port = 0, host = '127.0.0.1', script = [], tls }: MockBankOptions = {}): Promise<MockBank> {
  const effects = new Map<string, number>();
  const payments = new Map<string, Payment>();
  const requests: SeenRequest[] = [];
  const watchers = new Set<(request: SeenRequest) => void>();
  const numbers = new WeakMap<object, number>();
  let connections = 0;
  const open = new Set<Socket>();
  let current = script;
  let steps = typeof script === 'function' ? [] : [...script];
  let nth = 0;

  const act = (seen: SeenRequest): string => {
    effects.set(seen.idempotencyKey, (effects.get(seen.idempotencyKey) ?? 0) + 1);
    const body = JSON.stringify({ paymentId: `pay-${seen.idempotencyKey}`, status: 'ACCEPTED', ...amountsOf(seen.body) });
    payments.set(seen.idempotencyKey, { status: 'ACCEPTED', body });
    return body;
  };
  const refuse = (seen: SeenRequest): string => {
    const body = JSON.stringify({ status: 'REJECTED', reason: 'insufficient funds' });
    if (!payments.has(seen.idempotencyKey)) payments.set(seen.idempotencyKey, { status: 'REJECTED', body });
    return body;
  };
  const stepFor = (seen: SeenRequest): MockBankStep => {
    const isPayment = seen.method === 'POST';
    if (typeof current === 'function') return current(seen, ++nth) ?? (isPayment ? { kind: 'ok' } : statusOf(seen));
    return isPayment ? (steps.shift() ?? { kind: 'ok' }) : statusOf(seen);
  };
  const statusOf = (seen: SeenRequest): MockBankStep => {
    const payment = payments.get(keyIn(seen.path));
    const json = { 'content-type': 'application/json' };
    return payment
      ? { kind: 'answer', status: 200, headers: json, body: payment.body }
      : { kind: 'answer', status: 404, headers: json, body: '{"status":"ABSENT"}' };
  };

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const seen = see(request, numbers.get(request.socket) ?? 0);
    requests.push(seen);
    for (const watch of watchers) watch(seen);
    const path = seen.path.split('?', 1)[0]!;
    const isKnown = path === '/payments' ? seen.method === 'POST' : seen.method === 'GET' && path.startsWith('/payments/');
    const step: MockBankStep = isKnown ? stepFor(seen) : { kind: 'answer', status: 404 };
    playStep(step, request, response, seen, { act, refuse });
  };
  // Time-outs of its own would interfere with the faults it is asked for.
  const options = { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 };
  const server: Server = tls ? createTlsServer({ ...options, ...tls }, handle) : createServer(options, handle);
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    numbers.set(socket, ++connections);
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  const { port: bound } = server.address() as AddressInfo;
  return {
    origin: `${tls ? 'https' : 'http'}://${host}:${bound}`,
    effects,
    requests,
    get connections() {
      return open.size;
    },
    resetConnections: () => {
      for (const socket of open) reset(socket);
    },
    follow: (next) => {
      current = next;
      steps = typeof next === 'function' ? [] : [...next];
      nth = 0;
    },
    seen: (match) =>
      new Promise((resolve) => {
        const already = requests.find(match);
        if (already) return resolve(already);
        const watch = (request: SeenRequest): void => {
          if (!match(request)) return;
          watchers.delete(watch);
          resolve(request);
        };
        watchers.add(watch);
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const see = ({ method = '', url = '', headers }: IncomingMessage, connection: number): SeenRequest => ({
  method,
  path: url,
  headers,
  idempotencyKey: String(headers['idempotency-key'] ?? ''),
  body: '',
  connection,
  headersAt: preciseNow(),
  bodyAt: undefined,
  answeredAt: undefined,
});

function keyIn(path: string): string {
  const key = path.split('?', 1)[0]!.slice('/payments/'.length);
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

function amountsOf(body: string): object {
  try {
    const { orderId, amountMinor, currency } = JSON.parse(body) as Record<string, unknown>;
    return { orderId, amountMinor, currency };
  } catch {
    return {};
  }
}
