import { isIP } from 'node:net';
import { isLoopbackHost, type ResolvedOpsOptions } from './ops-options.ts';

/**
 * Whether the page may be asked for under this name. A name that is not ours is a foreign site that points at this
 * machine (DNS rebinding); an address cannot be pointed anywhere. The port is not compared, since tunnels change it.
 */
export function isOurHost(header: string | undefined, { host, isLoopback, publicOrigin }: ResolvedOpsOptions): boolean {
  if (header === undefined || !/^[\w.:[\]-]{1,255}$/.test(header)) return false;
  if (!URL.canParse(`http://${header}`)) return false;
  if (publicOrigin !== undefined && new URL(publicOrigin).host === header.toLowerCase()) return true;
  const name = new URL(`http://${header}`).hostname.replace(/^\[|\]$/g, '');
  if (isLoopbackHost(name)) return true;
  return !isLoopback && (isIP(name) !== 0 || name === host.toLowerCase());
}

interface OriginHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | readonly string[] | undefined;
}

/** Whether a browser sent this from a page of ours. False when it says nothing about that. */
export function isSameOrigin(headers: OriginHeaders, { publicOrigin }: ResolvedOpsOptions): boolean {
  const { host, origin, 'sec-fetch-site': site } = headers;
  if (site !== undefined && site !== 'same-origin') return false;
  if (origin === undefined) return site === 'same-origin';
  return origin === publicOrigin || (URL.canParse(origin) && new URL(origin).host === new URL(`http://${host}`).host);
}
