import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import { givenAddresses } from '../src/cli/stack/given-stack.ts';
import { splitDatabase } from '../src/cli/stack/mysql-probe.ts';
import { openStack } from '../src/cli/stack/open-stack.ts';
import { type RocketmqAdmin, rocketmqAdmin } from '../src/cli/stack/rocketmq-admin.ts';
import { type Durability, readDurability, requireDurable } from './cost/durability.ts';
import { openOrderTables } from './publish/orders.ts';
import type { BenchOptions } from './section.ts';

/** A broker, and a database of its own with all tables. */
export interface FullStack {
  readonly endpoints: string;
  readonly admin: RocketmqAdmin;
  readonly databaseUrl: string;
  /** Another one, with all tables as well. */
  createDatabase(): Promise<string>;
  /** For looks at the server. */
  readonly connection: Connection;
  /** Of the servers that were started here; of others nobody knows. */
  readonly pids: { readonly broker: number | undefined; readonly database: number | undefined };
  /** What was measured on, for the conditions of a section. */
  readonly facts: Durability & { readonly broker: string; readonly database: string };
  close(): Promise<void>;
}

export interface FullStackOptions {
  /** Of a broker of our own: a given one is left as it is, and not used then. Default: the shipped setting. */
  readonly transactionTimeOutMs?: number;
}

/**
 * Starts one with the settings shipped for production, or uses the environment's. Refuses servers that do not keep what
 * they acknowledge, unless the run is a quick one. `close` ends what was started.
 */
export async function openFullStack(options: BenchOptions, { transactionTimeOutMs }: FullStackOptions = {}): Promise<FullStack> {
  const { say, signal, isQuick } = options;
  const dataDir = mkdtempSync(join(tmpdir(), 'checkback-bench-'));
  const pids: Record<string, number> = {};
  const stack = await openStack({
    kind: 'auto',
    // oxlint-disable-next-line no-process-env -- a script's own door
    given: transactionTimeOutMs === undefined ? givenAddresses(process.env) : undefined,
    cacheDir: resolve(import.meta.dirname, '../.cache'),
    dataDir,
    profile: 'production',
    transactionTimeOutMs,
    topics: [],
    groups: [],
    composeProject: `checkback-bench-${process.pid}`,
    onProgress: say,
    onProcessStart: (name, pid) => void (pids[name] = pid),
    signal,
  });
  const closers: (() => Promise<unknown>)[] = [async () => rmSync(dataDir, { recursive: true, force: true }), () => stack.close()];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    if (stack.namesrvAddress === undefined) throw new Error('topics are created here: set CHECKBACK_ROCKETMQ_NAMESRV for the given stack');
    const admin = rocketmqAdmin({ namesrv: stack.namesrvAddress });
    closers.push(async () => admin.close());
    const { server } = splitDatabase(stack.mysqlUrl);
    const connection = await createConnection({ uri: server });
    closers.push(() => connection.end());
    const createDatabase = async (): Promise<string> => {
      const name = `bench_${randomUUID().slice(0, 8)}`;
      await connection.query(`create database \`${name}\` character set utf8mb4`);
      closers.push(() => connection.query(`drop database \`${name}\``).catch(() => {}));
      const url = new URL(server);
      url.pathname = `/${name}`;
      const orm = await openOrderTables(url.href, 2);
      try {
        await orm.migrator.up();
        return url.href;
      } finally {
        await orm.close(true);
      }
    };
    const databaseUrl = await createDatabase();
    const durability = await readDurability(connection, admin);
    if (!isQuick) requireDurable(durability);
    const [[version]] = (await connection.query('select version() as version')) as unknown as [[{ version: string }]];
    return {
      endpoints: stack.endpoints,
      admin,
      databaseUrl,
      createDatabase,
      connection,
      pids: { broker: pids['broker'], database: pids['mariadb'] },
      facts: { broker: `RocketMQ 5.4.0 (${stack.kind})`, database: `${version.version} (${stack.kind})`, ...durability },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
