import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigurationError } from '../errors.ts';
import type { CheckbackConfig } from './define-config.ts';

/** The environment, read here and nowhere else in the package. */
export const environment: Readonly<Record<string, string | undefined>> = process.env;

/** The configuration of a command: the file, completed from the environment, checked. */
export interface LoadedConfig extends CheckbackConfig {
  readonly endpoints: string;
  readonly databaseUrl: string;
  readonly origins: NonNullable<CheckbackConfig['origins']>;
  /** `CHECKBACK_ALERT_WEBHOOK`. */
  readonly alertWebhook: string | undefined;
  /** `CHECKBACK_OPS_TOKEN`. */
  readonly opsToken?: string | undefined;
}

/** As an object, so that the compiler misses none. */
const FIELDS: Readonly<Record<keyof CheckbackConfig, true>> = {
  owner: true,
  endpoints: true,
  databaseUrl: true,
  entities: true,
  migrations: true,
  strategy: true,
  outbox: true,
  changeDataCapture: true,
  segmentedLog: true,
  transactionListeners: true,
  messageListeners: true,
  sagas: true,
  origins: true,
  gateway: true,
  worker: true,
  statusChecks: true,
  deadLetters: true,
  compensations: true,
  sagaRunner: true,
  reconciliation: true,
  alerts: true,
  metrics: true,
  ops: true,
};
const FILE_NAMES = ['checkback.config.ts', 'checkback.config.js', 'checkback.config.mjs'];

/** Reads `checkback.config.{ts,js,mjs}` of the working directory, or `file`. Throws `ConfigurationError` saying what is missing and where it may be set. */
export async function loadConfig(file?: string, env = environment): Promise<LoadedConfig> {
  const path = file === undefined ? FILE_NAMES.map((name) => resolve(name)).find((name) => existsSync(name)) : resolve(file);
  if (path === undefined)
    throw new ConfigurationError(`no ${FILE_NAMES.join(', ')} in ${process.cwd()}; write one or name it with --config`);
  if (!existsSync(path)) throw new ConfigurationError(`--config: there is no file ${path}`);
  let config: Partial<CheckbackConfig> | undefined;
  try {
    config = ((await import(pathToFileURL(path).href)) as { default?: CheckbackConfig }).default;
  } catch (error) {
    throw new ConfigurationError(`${path} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  if (typeof config !== 'object' || config === null)
    throw new ConfigurationError(`${path} must export its configuration by default: export default defineConfig({ … })`);
  for (const field of Object.keys(config)) {
    if (!Object.hasOwn(FIELDS, field)) throw new ConfigurationError(`${path}: unknown field "${field}"`);
  }
  const { owner } = config;
  const endpoints = env['CHECKBACK_ROCKETMQ_ENDPOINTS'] ?? config.endpoints;
  const databaseUrl = env['CHECKBACK_DATABASE_URL'] ?? env['CHECKBACK_MYSQL_URL'] ?? config.databaseUrl;
  if (!owner) throw new ConfigurationError(`${path}: "owner" is missing; it names this service`);
  if (!endpoints)
    throw new ConfigurationError(
      `no broker: set CHECKBACK_ROCKETMQ_ENDPOINTS=host:8081 or "endpoints" in ${path}; "checkback stack up" brings one up`,
    );
  if (!databaseUrl)
    throw new ConfigurationError(`no database: set CHECKBACK_MYSQL_URL=mysql://user:password@host:3306/name or "databaseUrl" in ${path}`);
  const origins = withAddresses(config.origins ?? {}, parseOrigins(env['CHECKBACK_ORIGINS']));
  const alertWebhook = env['CHECKBACK_ALERT_WEBHOOK'] || undefined;
  return { ...config, owner, endpoints, databaseUrl, origins, alertWebhook, opsToken: env['CHECKBACK_OPS_TOKEN'] || undefined };
}

/** The environment says where an institution is; what else is known of it stays. */
function withAddresses(origins: LoadedConfig['origins'], addresses: Readonly<Record<string, string>>): LoadedConfig['origins'] {
  const replaced = Object.entries(addresses).map(([name, url]) => {
    const known = origins[name];
    return [name, typeof known === 'object' ? { ...known, url } : url] as const;
  });
  return { ...origins, ...Object.fromEntries(replaced) };
}

/** `bank=https://bank.example,post=https://post.example` */
function parseOrigins(text: string | undefined): Record<string, string> {
  if (!text) return {};
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1)
        throw new ConfigurationError(`CHECKBACK_ORIGINS must look like name=https://host,name=https://host, got ${JSON.stringify(pair)}`);
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}
