import { isIPv6 } from 'node:net';
import { ConfigurationError } from '../../errors.ts';
import { type Logger, silentLogger } from '../../shared/logger.ts';

/** How to reach a RocketMQ 5 proxy over gRPC. */
export interface RocketmqOptions {
  /** One `host:port` of the proxy's gRPC port (8081 on most installations). A DNS name may stand for several proxies. */
  readonly endpoints: string;
  /** `true` verifies against the system's authorities, `{ ca }` against a PEM of your own. Default: no TLS. */
  readonly tls?: boolean | { readonly ca: string };
  /** Access control; omit when the broker has none. */
  readonly credentials?: { readonly accessKey: string; readonly accessSecret: string; readonly securityToken?: string };
  /** Longest a single request may take, a half send and an END among them. At least 1,000. Default 3,000 ms. */
  readonly requestTimeoutMs?: number;
  /** Longest a start may take before it is refused. Default 15,000 ms. */
  readonly startTimeoutMs?: number;
  /**
   * What sends and ENDs travel over. `lean`: HTTP/2 sessions of our own beside the official client, at less than half
   * the processor time; the official client stands in when a proxy does not take them. `official`: that client alone.
   * Default `lean`.
   */
  readonly path?: 'lean' | 'official';
  /** Default: silent. */
  readonly logger?: Logger;
}

export interface ResolvedRocketmqOptions {
  readonly endpoints: string;
  readonly tls: boolean | { readonly ca: string };
  readonly credentials: RocketmqOptions['credentials'];
  readonly requestTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly path: 'lean' | 'official';
  readonly logger: Logger;
}

export const DEFAULT_ROCKETMQ_OPTIONS = {
  tls: false,
  requestTimeoutMs: 3_000,
  startTimeoutMs: 15_000,
  path: 'lean',
  logger: silentLogger,
} as const;

const PATHS = new Set<unknown>(['lean', 'official']);
const KNOWN = new Set(['endpoints', 'tls', 'credentials', 'requestTimeoutMs', 'startTimeoutMs', 'path', 'logger']);

/** Merges with the defaults, checks and freezes. Throws `ConfigurationError` naming the option and its value. */
export function resolveRocketmqOptions(options: RocketmqOptions): ResolvedRocketmqOptions {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw new ConfigurationError(`rocketmq: unknown option "${name}"`);
  }
  const resolved = { ...DEFAULT_ROCKETMQ_OPTIONS, credentials: undefined, ...options };
  requireEndpoint(resolved.endpoints);
  requireMilliseconds('requestTimeoutMs', resolved.requestTimeoutMs, 1_000);
  requireMilliseconds('startTimeoutMs', resolved.startTimeoutMs, 1_000);
  if (!PATHS.has(resolved.path)) {
    throw new ConfigurationError(`rocketmq: path must be "lean" or "official", got ${JSON.stringify(resolved.path)}`);
  }
  return Object.freeze(resolved);
}

/** The client would take several addresses, IPv6 or a URL and then fail to resolve them, and default to port 80. */
function requireEndpoint(endpoints: unknown): asserts endpoints is string {
  const say = (why: string): never => {
    throw new ConfigurationError(`rocketmq: endpoints must be one "host:port", got ${JSON.stringify(endpoints)}: ${why}`);
  };
  if (typeof endpoints !== 'string' || endpoints.trim() === '') return say('it is empty');
  if (/[;,\s]/.test(endpoints)) return say('several addresses do not work; use one DNS name for them');
  if (endpoints.includes('//')) return say('leave the scheme out');
  if (endpoints.startsWith('[') || isIPv6(endpoints)) return say('IPv6 addresses do not work; use a host name');
  const [host, port, ...rest] = endpoints.split(':');
  if (!host || rest.length > 0) return say('the host is missing or malformed');
  if (!/^\d{1,5}$/.test(port ?? '') || Number(port) < 1 || Number(port) > 65_535) return say('the port must be 1 to 65535');
}

function requireMilliseconds(name: string, value: unknown, least: number): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < least) {
    throw new ConfigurationError(`rocketmq: ${name} must be at least ${least} ms, got ${String(value)}`);
  }
}
