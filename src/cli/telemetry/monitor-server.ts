import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigurationError } from '../../errors.ts';
import { codeOf } from './code-of.ts';
import type { HealthAnswer } from './health.ts';

/** What the port of a worker answers. */
export interface MonitorAnswers {
  /** Metrics in Prometheus' text format. */
  metrics(): Promise<string>;
  live(): Promise<HealthAnswer>;
  ready(): Promise<HealthAnswer>;
}

export interface MonitorServer {
  readonly host: string;
  readonly port: number;
  /** Ends every connection. Idempotent. */
  close(): Promise<void>;
}

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Serves `/metrics`, `/livez` and `/readyz`, and nothing else. Rejects with `ConfigurationError` when it cannot listen there. */
export async function startMonitorServer(host: string, port: number, answers: MonitorAnswers): Promise<MonitorServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 5_000 }, (request, response) => {
    // Nothing is read from a request, and nobody may keep its connection by sending something.
    request.resume();
    answer(request, response, answers).catch((error: unknown) => {
      if (response.headersSent) return response.destroy();
      send(request, response, 500, 'text/plain', `failed (${codeOf(error)})\n`);
    });
  });
  server.maxConnections = 100;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const why = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'something listens there already' : codeOf(cause);
      reject(new ConfigurationError(`--metrics-port: cannot listen on ${host}:${port}: ${why}`, { cause }));
    });
    server.listen({ host, port }, resolve);
  });
  let closing: Promise<void> | undefined;
  return {
    host,
    port: (server.address() as AddressInfo).port,
    close: () =>
      (closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      })),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, answers: MonitorAnswers): Promise<void> {
  const [path] = (request.url ?? '').split('?', 1);
  if (!['/metrics', '/livez', '/readyz'].includes(path ?? '')) return send(request, response, 404, 'text/plain', 'not found\n');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(request, response, 405, 'text/plain', 'GET only\n');
  }
  if (path === '/metrics') return send(request, response, 200, METRICS_TYPE, await answers.metrics());
  const { isOk, parts } = await (path === '/livez' ? answers.live() : answers.ready());
  send(request, response, isOk ? 200 : 503, 'application/json', `${JSON.stringify({ status: isOk ? 'ok' : 'failing', parts })}\n`);
}

function send({ method }: IncomingMessage, response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(method === 'HEAD' ? undefined : body);
}
