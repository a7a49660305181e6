import type { MikroORM } from '@mikro-orm/mysql';
import type { LoadedConfig } from '../../../src/cli/config.ts';
import { databaseBackend } from '../../../src/cli/ops/database-backend.ts';
import type { OpsBackend } from '../../../src/cli/ops/ops-backend.ts';
import { type OpsOptions, resolveOpsOptions } from '../../../src/cli/ops/ops-options.ts';
import { startOpsServer } from '../../../src/cli/ops/ops-server.ts';
import { type Clock, systemClock } from '../../../src/shared/clock.ts';
import { silentLogger, type Logger } from '../../../src/shared/logger.ts';
import { createSqlite } from '../../support/sqlite.ts';

export interface OpsHome {
  readonly url: string;
  readonly orm: MikroORM;
  readonly backend: OpsBackend;
  close(): Promise<void>;
}

export interface OpsHomeOptions {
  readonly options?: OpsOptions;
  readonly config?: Partial<LoadedConfig>;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly change?: (backend: OpsBackend) => OpsBackend;
}

/** The page on a SQLite file of its own, at a free port of the loopback. */
export async function openOpsHome({
  options,
  config,
  logger = silentLogger,
  clock = systemClock,
  change,
}: OpsHomeOptions = {}): Promise<OpsHome> {
  const file = await createSqlite();
  const orm = await file.open();
  const loaded: LoadedConfig = {
    owner: 'shop',
    endpoints: '127.0.0.1:1',
    databaseUrl: file.url,
    origins: {},
    alertWebhook: undefined,
    ...config,
  };
  const real = databaseBackend({ config: loaded, orm, logger, clock });
  const backend = change === undefined ? real : change(real);
  const server = await startOpsServer({ backend, options: resolveOpsOptions(options), port: 0, logger, clock });
  return {
    url: server.url,
    orm,
    backend,
    close: async () => {
      await server.close();
      await file.drop();
    },
  };
}

/** A browser as far as these tests need one: keeps its cookie, says where its forms come from. */
export class Visit {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  cookie: string | undefined;

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<{ status: number; text: string; headers: Headers }> {
    return this.#answer(await fetch(`${this.#url}${path}`, { headers: this.#with(headers), redirect: 'manual' }));
  }

  async post(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; text: string; headers: Headers }> {
    const sent = this.#with({ origin: this.#url, ...headers });
    return this.#answer(
      await fetch(`${this.#url}${path}`, { method: 'POST', headers: sent, body: new URLSearchParams(fields), redirect: 'manual' }),
    );
  }

  /** The hidden fields of the first form that leads there. */
  async fields(page: string, action: string): Promise<Record<string, string>> {
    const { text } = await this.get(page);
    const form = text.split('<form ').find((one) => one.includes(`action="${action}"`));
    if (form === undefined) throw new Error(`no form on ${page} leads to ${action}`);
    return Object.fromEntries(
      [...form.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"\s*\/?>/g)].map(([, name, value]) => [name, unescaped(value!)]),
    );
  }

  #with(headers: Readonly<Record<string, string>>): Record<string, string> {
    return { ...this.#headers, ...(this.cookie === undefined ? {} : { cookie: this.cookie }), ...headers };
  }

  async #answer(response: Response): Promise<{ status: number; text: string; headers: Headers }> {
    const [cookie] = response.headers.getSetCookie();
    if (cookie !== undefined) this.cookie = cookie.split(';')[0];
    return { status: response.status, text: await response.text(), headers: response.headers };
  }
}

const unescaped = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&');
