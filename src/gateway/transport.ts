import { ConnectionPool } from './connection-pool.ts';
import type { Exchange } from './exchange.ts';
import { exchangeHttp2 } from './http2-exchange.ts';
import { Http2Sessions } from './http2-sessions.ts';
import { exchangeHttp, type HttpExchangeOptions } from './http-exchange.ts';
import type { Origin } from './origin.ts';
import type { PreparedRequest } from './prepare-request.ts';

/** The way to one origin. */
export interface Transport {
  /** Sends a request once and reads its answer, timing each phase. Never rejects. */
  exchange(request: PreparedRequest, options: HttpExchangeOptions): Promise<Exchange>;
  /** Destroys every socket, exchanges in progress included. */
  close(): void;
}

/** Opens no socket before the first exchange. */
export function openTransport(origin: Origin): Transport {
  if (origin.http2) {
    const sessions = new Http2Sessions(origin);
    return { exchange: (request, options) => exchangeHttp2(sessions, request, options), close: () => sessions.close() };
  }
  const pool = new ConnectionPool(origin);
  return { exchange: (request, options) => exchangeHttp(pool, request, options), close: () => pool.close() };
}
