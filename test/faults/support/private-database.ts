import { ok } from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { prepareArtifacts } from '../../../src/cli/stack/artifacts.ts';
import type { ManagedProcess } from '../../../src/cli/stack/managed-process.ts';
import { mariadbProcess } from '../../../src/cli/stack/mariadb-native.ts';
import { chooseFreePorts } from '../../../src/cli/stack/ports.ts';
import { waitUntil } from '../../../src/cli/stack/wait-until.ts';
import { temporaryDataDir } from '../../cli/stack/temporary-data-dir.ts';

/** A database server for one test alone, to kill, freeze and restart, where the broker may be everybody's. Takes a few seconds. */
export interface PrivateDatabase extends AsyncDisposable {
  readonly mysqlUrl: string;
  readonly server: ManagedProcess;
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP; resolves when none of its threads runs. */
  freeze(): Promise<void>;
}

export async function startPrivateDatabase(): Promise<PrivateDatabase> {
  const { mariadbHome } = await prepareArtifacts({ cacheDir: resolve(import.meta.dirname, '../../../.cache') });
  const { dataDir, remove } = temporaryDataDir('checkback-private-database-');
  const { mysql: port } = await chooseFreePorts({});
  const mysqlUrl = `mysql://root@127.0.0.1:${port}/checkback`;
  const server = mariadbProcess({
    home: mariadbHome,
    dataDir: `${dataDir}/mariadb`,
    logFile: `${dataDir}/mariadb.log`,
    port,
    url: mysqlUrl,
    stopTimeoutMs: 0,
  });
  const dispose = async (): Promise<void> => {
    await server.stop();
    remove();
  };
  await server.start().catch(async (error: unknown) => {
    await dispose();
    throw error;
  });
  return {
    mysqlUrl,
    server,
    async kill() {
      server.kill('SIGKILL');
      await server.waitForExit();
    },
    async freeze() {
      const { pid } = server;
      server.kill('SIGSTOP');
      const states = (): string[] =>
        readdirSync(`/proc/${pid}/task`).map(
          (thread) => /\) (\w)/.exec(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))?.[1] ?? '?',
        );
      await waitUntil(async () => ok(states().every((state) => state === 'T')), {
        what: `mariadbd ${pid} to stand still`,
        timeoutMs: 5_000,
      });
    },
    [Symbol.asyncDispose]: dispose,
  };
}
