import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { randomUUID } from 'node:crypto';
import { queryMysql, splitDatabase } from '../src/cli/stack/mysql-probe.ts';
import { openStack } from '../src/cli/stack/open-stack.ts';
import type { BenchOptions } from './section.ts';

/** A database nobody else uses, on the server of the environment or on one started for it; `close` ends what was started. */
export async function openDatabase({
  mysqlUrl,
  say,
  signal,
}: BenchOptions): Promise<{ url: string; server: string; close(): Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'checkback-bench-'));
  const stack = mysqlUrl
    ? { kind: 'given', mysqlUrl, close: async () => {} }
    : await openStack({
        kind: 'auto',
        cacheDir: resolve(import.meta.dirname, '../.cache'),
        dataDir,
        profile: 'production',
        topics: [],
        groups: [],
        composeProject: `checkback-bench-${process.pid}`,
        onProgress: say,
        signal,
      });
  const { server } = splitDatabase(stack.mysqlUrl);
  const name = `bench_${randomUUID().slice(0, 8)}`;
  const close = async (): Promise<void> => {
    await queryMysql(server, `DROP DATABASE IF EXISTS \`${name}\``, 60_000).catch(() => {});
    await stack.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  try {
    await queryMysql(server, `CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`);
    const [version] = (await queryMysql(server, 'select version() as version')) as { version: string }[];
    const url = new URL(server);
    url.pathname = `/${name}`;
    return { url: url.href, server: `${version?.version} (${stack.kind})`, close };
  } catch (error) {
    await close();
    throw error;
  }
}
