import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { prepareArtifacts } from '../../../src/cli/stack/artifacts.ts';
import { mariadbProcess } from '../../../src/cli/stack/mariadb-native.ts';
import { chooseFreePorts } from '../../../src/cli/stack/ports.ts';
import { temporaryDataDir } from '../../cli/stack/temporary-data-dir.ts';

/** A MariaDB for one test alone, whose binlog may be rotated and purged. Takes a few seconds; disposing also removes its data. */
export async function startPrivateMariadb(): Promise<{ readonly mysqlUrl: string } & AsyncDisposable> {
  const { mariadbHome: home } = await prepareArtifacts({ cacheDir: resolve(import.meta.dirname, '../../../.cache') });
  const { dataDir, remove } = temporaryDataDir('checkback-private-mariadb-');
  mkdirSync(join(dataDir, 'log'), { recursive: true });
  const { mysql: port } = await chooseFreePorts();
  const mysqlUrl = `mysql://root@127.0.0.1:${port}/checkback`;
  const server = mariadbProcess({
    home,
    dataDir: join(dataDir, 'mariadb'),
    logFile: join(dataDir, 'log', 'mariadb.log'),
    port,
    url: mysqlUrl,
    stopTimeoutMs: 0,
  });
  const close = async (): Promise<void> => {
    await server.stop();
    remove();
  };
  try {
    await server.start();
    return { mysqlUrl, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
