import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigurationError } from '../errors.ts';

const FORM = 'a SQLite url must look like sqlite:///absolute/path.db, or sqlite:relative/path.db from the working directory';

export const isSqliteUrl = (url: string): boolean => /^sqlite:/i.test(url);

/**
 * The file a url names, as an absolute path: `sqlite:///absolute/path.db` or `sqlite:relative/path.db`. Two slashes would
 * name a host, `:memory:` a database no other process or connection can see: both are refused with `ConfigurationError`.
 */
export function sqlitePath(url: string): string {
  const rest = url.slice('sqlite:'.length);
  if (rest === '' || rest === ':memory:' || /[?#]/.test(rest) || rest.endsWith('/')) throw new ConfigurationError(`${FORM}, got ${url}`);
  if (rest.startsWith('//') && !rest.startsWith('///')) throw new ConfigurationError(`${FORM}, got ${url}: two slashes name a host`);
  try {
    return rest.startsWith('///') ? fileURLToPath(`file:${rest}`) : resolve(decodeURIComponent(rest));
  } catch (cause) {
    throw new ConfigurationError(`${FORM}, got ${url}`, { cause });
  }
}
