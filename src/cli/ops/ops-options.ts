import { isIP } from 'node:net';
import { inspect } from 'node:util';
import { ConfigurationError } from '../../errors.ts';

/** A request as an `authenticate` hook sees it. */
export interface OpsRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly remoteAddress: string | undefined;
}

/** Who is asking. */
export interface OpsUser {
  /** Recorded with every action. 1 to 100 characters. */
  readonly user: string;
}

/** Says who is asking, by a header of an identity-aware proxy or a token it verifies; `undefined` refuses. */
export type AuthenticateOps = (request: OpsRequest) => Promise<OpsUser | undefined> | OpsUser | undefined;

/** The page for people on call; off unless a port is given on the command line. */
export interface OpsOptions {
  /** Address to listen at. Anything but a loopback address needs `token` or `authenticate`. Default `127.0.0.1`. */
  readonly host?: string;
  /**
   * What people sign in with, and programs send as `Authorization: Bearer`. At least 16 characters. Default:
   * `CHECKBACK_OPS_TOKEN`, which wins; none on loopback, where whoever may open a port of this machine may use the page.
   */
  readonly token?: string;
  /** Replaces the token, or is asked before it. */
  readonly authenticate?: AuthenticateOps;
  /** Where browsers find the page behind a proxy, such as `https://ops.example.com`: its host name is accepted, and with https cookies are sent by https alone. */
  readonly publicOrigin?: string;
}

export interface ResolvedOpsOptions {
  readonly host: string;
  readonly token: string | undefined;
  readonly authenticate: AuthenticateOps | undefined;
  readonly publicOrigin: string | undefined;
  /** Whether the server is reached from this machine alone. */
  readonly isLoopback: boolean;
}

export const DEFAULT_OPS_HOST = '127.0.0.1';
const MIN_TOKEN = 16;
const MAX_TOKEN = 512;
const NAMES = ['host', 'token', 'authenticate', 'publicOrigin'];

/** Merges, checks and freezes. Throws `ConfigurationError` or `RangeError` naming the option; a token is never in the message. */
export function resolveOpsOptions(options: OpsOptions & { readonly tokenOfEnvironment?: string | undefined } = {}): ResolvedOpsOptions {
  const { tokenOfEnvironment, ...given } = options;
  for (const name of Object.keys(given)) if (!NAMES.includes(name)) throw new ConfigurationError(`ops: unknown option "${name}"`);
  const { host = DEFAULT_OPS_HOST, authenticate } = given;
  const token = tokenOfEnvironment ?? given.token;
  const name = tokenOfEnvironment === undefined ? 'ops.token' : 'CHECKBACK_OPS_TOKEN';
  if (typeof host !== 'string' || host === '')
    throw new ConfigurationError(`ops.host must be an address to listen at, got ${inspect(host)}`);
  if (token !== undefined && (typeof token !== 'string' || token.length < MIN_TOKEN || token.length > MAX_TOKEN))
    throw new RangeError(`${name} must have ${MIN_TOKEN} to ${MAX_TOKEN} characters, it has ${token.length}`);
  if (authenticate !== undefined && typeof authenticate !== 'function')
    throw new ConfigurationError(`ops.authenticate must be a function, got ${inspect(authenticate)}`);
  const publicOrigin = given.publicOrigin === undefined ? undefined : originOf(given.publicOrigin);
  const isLoopback = isLoopbackHost(host);
  if (!isLoopback && token === undefined && authenticate === undefined)
    throw new ConfigurationError(
      `ops.host "${host}" is not a loopback address: the page needs ops.token, CHECKBACK_OPS_TOKEN or ops.authenticate there`,
    );
  return Object.freeze({ host, token, authenticate, publicOrigin, isLoopback });
}

/** Names and addresses of this machine that no other machine reaches. */
export const isLoopbackHost = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.origin !== text.replace(/\/$/, ''))
    throw new ConfigurationError(`ops.publicOrigin must look like https://ops.example.com, got ${JSON.stringify(text)}`);
  return url.origin;
}
