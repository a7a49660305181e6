import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { inject } from 'vitest';
import { queryMysql, splitDatabase } from '../../src/cli/stack/mysql-probe.ts';
import { startNativeStack, type NativeStack, type NativeStackOptions } from '../../src/cli/stack/native-stack.ts';
import { rocketmqAdmin, type RocketmqAdmin, type TopicType } from '../../src/cli/stack/rocketmq-admin.ts';
import { temporaryDataDir } from '../cli/stack/temporary-data-dir.ts';
import type { ProvidedStack } from './open-test-stack.ts';

/** The stack of this test run. */
export type TestStack = ProvidedStack & {
  /** Creates topics and groups, reads and changes broker settings. Throws when a given stack named no name server. */
  readonly admin: RocketmqAdmin;
};

let admin: RocketmqAdmin | undefined;

/** The shared stack, started by test/support/stack.setup.ts. It belongs to everybody: never kill, freeze or reconfigure it (see `startPrivateStack`). */
export function useStack(): TestStack {
  const stack = inject('stack');
  return {
    ...stack,
    get admin() {
      if (stack.namesrvAddress === undefined)
        throw new Error('this test creates topics: set CHECKBACK_ROCKETMQ_NAMESRV for the given stack');
      return (admin ??= rocketmqAdmin({ namesrv: stack.namesrvAddress }));
    },
  };
}

/** Thirty tables to be dropped, on a disk that other tests keep busy. */
const PATIENCE_MS = 60_000;

/** A database that no other test has. */
export type TestDatabase = { readonly url: string; readonly name: string; drop(): Promise<void> };

/** Makes an empty utf8mb4 database. `prefix` is for people who look at the server; at most 20 letters of it are kept. */
export async function createDatabase(prefix: string, mysqlUrl: string = useStack().mysqlUrl): Promise<TestDatabase> {
  const name = `${prefix.replace(/\W/g, '_').slice(0, 20)}_${unique()}`;
  const { server } = splitDatabase(mysqlUrl);
  await queryMysql(server, `CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`, PATIENCE_MS);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    name,
    drop: async () => {
      await queryMysql(server, `DROP DATABASE IF EXISTS \`${name}\``, PATIENCE_MS);
    },
  };
}

/** Makes a topic that no other test has, ready to be used, and gives its name. Default: TRANSACTION, 4 queues. */
export async function createTopic(
  type: TopicType = 'TRANSACTION',
  options: { queues?: number; admin?: RocketmqAdmin } = {},
): Promise<string> {
  const name = `test-${type.toLowerCase()}-${unique()}`;
  await (options.admin ?? useStack().admin).createTopic(name, type, options.queues === undefined ? {} : { queues: options.queues });
  return name;
}

/** Makes a consumer group that no other test has and gives its name. Default: 3 retries, so 4 deliveries and then the dead letter. */
export async function createGroup(options: { retryMaxTimes?: number; admin?: RocketmqAdmin } = {}): Promise<string> {
  const name = `test-group-${unique()}`;
  await (options.admin ?? useStack().admin).createGroup(name, { retryMaxTimes: options.retryMaxTimes ?? 3 });
  return name;
}

/** A native stack for one test alone, to kill, freeze and restart. Takes about 10 s and 700 MB; `close()` also removes its data. */
export async function startPrivateStack(options: Partial<NativeStackOptions> = {}): Promise<NativeStack> {
  const { dataDir, remove } = temporaryDataDir('checkback-private-stack-');
  let stack: NativeStack;
  try {
    stack = await startNativeStack({
      cacheDir: resolve(import.meta.dirname, '../../.cache'),
      dataDir,
      profile: 'test',
      topics: [],
      groups: [],
      ...options,
    });
  } catch (error) {
    remove();
    throw error;
  }
  return {
    ...stack,
    close: async () => {
      await stack.close();
      remove();
    },
  };
}

function unique(): string {
  return randomUUID().replaceAll('-', '').slice(0, 12);
}
