import { BlockList, isIPv6 } from 'node:net';
import { ConfigurationError } from '../errors.ts';
import { checkHeaders } from './http-header.ts';

/** An institution the gateway may talk to. Comes from configuration only; a message can name it, never describe it. */
export interface OriginOptions {
  /** Scheme, host and port, nothing else: `https://bank.example`. */
  readonly url: string;
  /** Sent with every request, credentials above all. Never stored: evidence keeps the name and `***`. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM: the authority that signed the institution's certificate. Default: the authorities Node trusts. */
  readonly ca?: string | undefined;
  /** PEM: our certificate and its key, where the institution asks for them. Default: none. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** CIDR blocks the connected address must be in, whatever DNS says. Default: anything but link-local addresses. */
  readonly allowAddresses?: readonly string[];
  /** Sockets open at once; further calls wait for one, within their `connectMs`. With `http2`, streams on the one socket. Default 64. */
  readonly maxConnections?: number;
  /** HTTP/2 over TLS and nothing else: an institution that does not offer it cannot be connected to. Default: HTTP/1.1. */
  readonly http2?: boolean;
}

export interface Origin extends OriginOptions {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxConnections: number;
  /** Asked with the address of the connected socket, before a byte is sent: a name that DNS rebinds gets no request. */
  readonly isAddressAllowed: (address: string) => boolean;
}

const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10'];

/** Checks and completes one origin. Throws `ConfigurationError`; the message never repeats a URL that carries userinfo. */
export function resolveOrigin(name: string, given: string | OriginOptions): Origin {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name))
    throw new ConfigurationError(`origin name ${JSON.stringify(name)} must be 1 to 100 letters, digits, dots, dashes`);
  const options: OriginOptions = typeof given === 'string' ? { url: given } : given;
  const url = parseOriginUrl(name, options.url);
  if (options.http2 && url.protocol !== 'https:') throw new ConfigurationError(`origin "${name}": HTTP/2 is spoken over https only`);
  const maxConnections = options.maxConnections ?? 64;
  if (!Number.isInteger(maxConnections) || maxConnections < 1)
    throw new RangeError(`origins.${name}.maxConnections must be a positive integer, got ${maxConnections}`);
  const headers = Object.freeze({ ...options.headers });
  const complaint = checkHeaders(headers);
  if (complaint) throw new ConfigurationError(`origin "${name}": ${complaint}`);
  const list = blockList(name, options.allowAddresses ?? LINK_LOCAL);
  const expected = options.allowAddresses !== undefined;
  return Object.freeze({
    ...options,
    name,
    url: url.origin,
    headers,
    maxConnections,
    isAddressAllowed: (address: string) => {
      const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
      return list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4') === expected;
    },
  });
}

function parseOriginUrl(name: string, text: string): URL {
  if (!URL.canParse(text)) throw new ConfigurationError(`origin "${name}" is not a URL`);
  const url = new URL(text);
  if (url.username || url.password) throw new ConfigurationError(`origin "${name}" carries userinfo; put credentials into its headers`);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new ConfigurationError(`origin "${name}" must be https or http, got ${url.protocol}`);
  if (url.pathname !== '/' || url.search || url.hash) throw new ConfigurationError(`origin "${name}" must be scheme, host and port only`);
  return url;
}

function blockList(name: string, blocks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const block of blocks) {
    const [network = '', prefix = ''] = block.split('/');
    try {
      list.addSubnet(network, Number.parseInt(prefix, 10), isIPv6(network) ? 'ipv6' : 'ipv4');
    } catch (cause) {
      throw new ConfigurationError(`origin "${name}": "${block}" is not a CIDR block`, { cause });
    }
  }
  return list;
}
