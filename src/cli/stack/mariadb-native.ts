import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runAfterOurDeath } from './lifeline.ts';
import { managedProcess, type ManagedProcess } from './managed-process.ts';
import { ensureDatabase } from './mysql-probe.ts';
import { dockerFile } from './project-files.ts';
import { parseProperties } from './properties-file.ts';
import { StackError } from './stack-error.ts';

/** A MariaDB of our own on loopback. */
export type MariadbOptions = {
  readonly home: string;
  /** Its data, log and socket. */
  readonly dataDir: string;
  readonly logFile: string;
  readonly port: number;
  readonly url: string;
  readonly stopTimeoutMs: number;
  readonly onStart?: ((pid: number) => void) | undefined;
  readonly onUnexpectedExit?: ((reason: string) => void) | undefined;
};

/** The server as a process; `start()` makes the data folder and the database when they are missing. */
export function mariadbProcess(options: MariadbOptions): ManagedProcess {
  const { home, dataDir, port, url } = options;
  const settings = parseProperties(readFileSync(dockerFile('mysql', 'my.cnf'), 'utf8'));
  return managedProcess({
    name: 'mariadb',
    command: join(home, 'bin', 'mariadbd'),
    args: [
      '--no-defaults',
      `--basedir=${home}`,
      `--datadir=${dataDir}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      // Relative to the data folder: an absolute path may exceed the 107 bytes a socket's name can have.
      '--socket=mariadb.sock',
      '--pid-file=mariadb.pid',
      // With TLS it makes itself a key at each start, 8 s.
      '--skip-ssl',
      '--innodb-log-file-size=32M',
      ...Object.entries(settings).map(([key, value]) => `--${key}=${value}`),
      ...asRoot(),
    ],
    cwd: home,
    logFile: options.logFile,
    prepare: async (signal) => {
      if (!existsSync(join(dataDir, 'mysql'))) await install(home, dataDir, signal);
    },
    isUsable: () => ensureDatabase(url, 2000),
    startTimeoutMs: 60_000,
    stopTimeoutMs: options.stopTimeoutMs,
    onStart: options.onStart,
    onUnexpectedExit: options.onUnexpectedExit,
  });
}

/** Writes the system tables into a draft and renames it: an interrupted installation leaves nothing that looks complete. */
async function install(home: string, dataDir: string, signal: AbortSignal | undefined): Promise<void> {
  const draft = `${dataDir}.part`;
  rmSync(draft, { recursive: true, force: true });
  rmSync(dataDir, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const program = join(home, 'scripts', 'mariadb-install-db');
  const args = [
    '--no-defaults',
    `--basedir=${home}`,
    `--datadir=${draft}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--skip-name-resolve',
    '--innodb-log-file-size=32M',
    ...asRoot(),
  ];
  const output: Buffer[] = [];
  // A shell script: only its process group is all of it.
  const installer = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const callOff = installer.pid === undefined ? undefined : runAfterOurDeath(`kill -9 -${installer.pid}`);
  for (const stream of [installer.stdout, installer.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  const failure = await new Promise<string | undefined>((resolve) => {
    installer.once('error', (error) => resolve(error.message));
    installer.once('close', (code) => resolve(code === 0 ? undefined : `code ${code}`));
  });
  callOff?.();
  // It runs for a second: letting it finish is simpler than ending it halfway.
  signal?.throwIfAborted();
  if (failure !== undefined) throw new StackError(`${program} failed: ${failure}\n${Buffer.concat(output).toString().slice(-1500)}`);
  renameSync(draft, dataDir);
}

/** MariaDB refuses to run as root unless it is told to. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : [];
}
