import type { ServerResponse } from 'node:http';
import type { Markup } from './html.ts';

/** Nothing but our own stylesheet and script is loaded, nothing inline runs, nobody frames us, forms go to us alone. */
const POLICY = [
  `default-src 'none'`,
  `style-src 'self'`,
  `script-src 'self'`,
  `connect-src 'self'`,
  `form-action 'self'`,
  `frame-ancestors 'none'`,
  `base-uri 'none'`,
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // With "no-referrer" forms would come without an origin to compare.
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  'cache-control': 'no-store',
};

export interface Answer {
  readonly status: number;
  readonly type: 'text/html' | 'text/css' | 'text/javascript' | 'text/plain';
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const asPage = (status: number, markup: Markup, headers?: Answer['headers']): Answer => ({
  status,
  type: 'text/html',
  text: markup.text,
  ...(headers && { headers }),
});

export const asText = (status: number, text: string, headers?: Answer['headers']): Answer => ({
  status,
  type: 'text/plain',
  text: `${text}\n`,
  ...(headers && { headers }),
});

/** Sends an answer whole. */
export function send(response: ServerResponse, { status, type, text, headers }: Answer): void {
  const bytes = Buffer.from(text, 'utf8');
  response.writeHead(status, { ...HEADERS, 'content-type': `${type}; charset=utf-8`, 'content-length': bytes.byteLength, ...headers });
  response.end(bytes);
}
