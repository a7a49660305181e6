import type { Server } from '@grpc/grpc-js';
import type { Http2Server, IncomingHttpHeaders } from 'node:http2';

/** Milliseconds of the units of a `grpc-timeout`. */
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 };
/** The longest a timer can take. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** A deadline further away than a timer reaches is none. Changes the headers. */
export function dropEndlessDeadline(headers: IncomingHttpHeaders): void {
  const timeout = headers['grpc-timeout'];
  if (typeof timeout !== 'string') return;
  const ms = Number(timeout.slice(0, -1)) * (UNIT_MS[timeout.slice(-1)] ?? Number.NaN);
  if (ms > LONGEST_TIMER_MS) delete headers['grpc-timeout'];
}

/**
 * The official Java client gives its telemetry stream a deadline of years. grpc-js makes a negative number of it (`| 0`)
 * and ends the stream at once, so that no Java client can start. Its server has no hook before that: the HTTP/2 servers
 * are its own.
 */
export function takeEndlessDeadlines(server: Server): void {
  const { http2Servers } = server as unknown as { http2Servers: ReadonlyMap<Http2Server, unknown> };
  for (const http2Server of http2Servers.keys()) http2Server.prependListener('stream', (_stream, headers) => dropEndlessDeadline(headers));
}
