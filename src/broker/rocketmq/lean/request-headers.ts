import { constants, type OutgoingHttpHeaders, sensitiveHeaders } from 'node:http2';
import { randomUUID } from 'node:crypto';

export interface RequestHeadersOptions {
  /** The official client's own headers of a request, the signature among them: made anew at each call. */
  readonly metadata: () => Readonly<Record<string, string>>;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly timeoutMs: number;
}

const REQUEST_ID = 'x-mq-request-id';
const AUTHORIZATION = 'authorization';

/**
 * The headers of a call but for its path, by the official client's own hand: all that changes in them within one second
 * is the request id, so they are asked for, and signed, once a second.
 */
export function requestHeaders({ metadata, scheme, authority, timeoutMs }: RequestHeadersOptions): () => OutgoingHttpHeaders {
  let second = Number.NaN;
  let common: OutgoingHttpHeaders = {};
  return () => {
    const now = Math.floor(Date.now() / 1_000);
    if (now !== second) {
      second = now;
      common = {
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_SCHEME]: scheme,
        [constants.HTTP2_HEADER_AUTHORITY]: authority,
        te: 'trailers',
        'content-type': 'application/grpc',
        'grpc-timeout': `${timeoutMs}m`,
        ...metadata(),
        // Never put into the table of either side: the one is new each time and would drive out what is not, the other is secret.
        [sensitiveHeaders]: [REQUEST_ID, AUTHORIZATION],
      };
    }
    return { ...common, [REQUEST_ID]: randomUUID() };
  };
}
