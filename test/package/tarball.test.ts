import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scriptOf } from './page-script.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const SCRIPT_LIMIT_MS = 240_000;
/** What a person who never saw the project is promised. */
const NEWCOMER_LIMIT_MS = 600_000;

/** Packages whose types must not reach a consumer: their declarations break strict ones, or are none of his business. */
const INTERNAL = ['rocketmq-client-nodejs', '@grpc/grpc-js', 'undici', 'rxjs', 'cockatiel', 'kysely', 'mysql2', 'pino'];

let consumer: string;

const inConsumer = (command: string, ...args: string[]) =>
  run(command, args, { cwd: consumer, timeout: SCRIPT_LIMIT_MS, maxBuffer: 64 * 1024 * 1024 });

beforeAll(async () => {
  consumer = mkdtempSync(join(tmpdir(), 'checkback-consumer-'));
  await run(process.execPath, ['scripts/build.mjs'], { cwd: root, timeout: SCRIPT_LIMIT_MS });
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', consumer], {
    cwd: root,
    timeout: SCRIPT_LIMIT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  // An array of packages; newer npm: an object by name.
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>);
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> };
  const own = { name: 'consumer', private: true, type: 'module', devDependencies: { '@types/node': devDependencies['@types/node'] } };
  writeFileSync(join(consumer, 'package.json'), JSON.stringify(own));
  await inConsumer(
    'npm',
    'install',
    `./${packed!.filename}`,
    '--prefer-offline',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  );
}, SCRIPT_LIMIT_MS);

afterAll(() => rmSync(consumer, { recursive: true, force: true }));

describe('The packed tarball, installed in an empty folder', () => {
  it.each([
    [
      'checkback',
      [
        'defineTransactionListener',
        'rowExists',
        'TransactionalPublisher',
        'onTransactionEvent',
        'defineExternalCall',
        'defineMessageListener',
        'createGateway',
        'startWorker',
        'rocketmq',
        'mysqlTransactionDatabase',
        'defineConfig',
        'CheckbackError',
        'LocalTransactionError',
      ],
    ],
    [
      'checkback/schema',
      [
        'OrderEntity',
        'Migration20260101000000Orders',
        'ExternalCallEntity',
        'ExternalCallAttemptEntity',
        'ExternalCallResponseEntity',
        'ENGINE_ENTITIES',
        'ENGINE_MIGRATIONS',
      ],
    ],
  ])('exports from %s what the documentation names', async (entry, names) => {
    const { stdout } = await inConsumer(
      process.execPath,
      '--input-type=module',
      '-e',
      `console.log(JSON.stringify(Object.keys(await import('${entry}'))))`,
    );
    expect(JSON.parse(stdout)).toEqual(expect.arrayContaining(names));
  });

  it('brings the command, which knows its version and teaches its use', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    const bin = join(consumer, 'node_modules/.bin/checkback');
    expect((await inConsumer(bin, '--version')).stdout.trim()).toBe(version);
    const { stdout } = await inConsumer(bin, '--help');
    for (const word of ['demo', 'worker', 'migrate', 'stack', 'Exit codes']) expect(stdout).toContain(word);
  });

  it('holds the sources of nothing and the configuration of the stack', () => {
    const installed = join(consumer, 'node_modules/checkback');
    for (const file of ['LICENSE', 'README.md', 'docker/rocketmq/broker.conf', 'docker/compose.yaml'])
      expect(existsSync(join(installed, file)), file).toBe(true);
    for (const folder of ['src', 'test', 'bench', '.cache']) expect(existsSync(join(installed, folder)), folder).toBe(false);
  });
});

describe('A production install', () => {
  it('needs no install script: it was made without, and only known packages have one at all', () => {
    const { packages } = JSON.parse(readFileSync(join(consumer, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { hasInstallScript?: boolean; dev?: boolean }>;
    };
    const withScript = Object.entries(packages).flatMap(([path, { hasInstallScript, dev }]) => (hasInstallScript && !dev ? [path] : []));
    // It prints a notice about its version and nothing else.
    expect(withScript.filter((path) => !path.endsWith('node_modules/protobufjs'))).toEqual([]);
  });

  it('brings what a user needs and nothing of the workshop; its size is told', () => {
    const installed = join(consumer, 'node_modules/checkback');
    const files = readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(installed, join(entry.parentPath, entry.name)));
    const tops = new Set(files.map((file) => file.split('/')[0]));
    expect([...tops].toSorted()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'docker', 'docs', 'package.json']);
    expect(files.filter((file) => /\.map$|\.test\.|\/frameworks\/|\.tsbuildinfo$/.test(file))).toEqual([]);
    console.log(`installed: checkback ${sizeOf(installed)}, everything ${sizeOf(join(consumer, 'node_modules'))}`);
  });
});

describe('The packed declarations', () => {
  it('name no internal package anywhere within reach of the public entries', () => {
    const installed = join(consumer, 'node_modules/checkback');
    const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      exports: Record<string, string | { types: string }>;
    };
    const entries = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [join(installed, entry.types)]));
    expect(entries).toHaveLength(3);
    const { files, packages } = reachable(entries);
    expect(files.length).toBeGreaterThan(10);
    const leaks = [...packages].filter(([name]) => INTERNAL.some((internal) => name === internal || name.startsWith(`${internal}/`)));
    expect(leaks).toEqual([]);
    expect([...new Set([...packages.keys()].filter((name) => !name.startsWith('node:')))].toSorted()).toEqual([
      '@mikro-orm/core',
      '@mikro-orm/migrations',
      '@mikro-orm/mysql',
      '@standard-schema/spec',
    ]);
  });

  it('compile in a strict consumer that does not skip the checks of libraries', async () => {
    expect(await errorsOf('strict', { 'consumer.ts': service })).toEqual([]);
  });

  it('add nothing, under exactOptionalPropertyTypes too, to what MikroORM 7.2.1 itself is refused for', async () => {
    const options = { exactOptionalPropertyTypes: true };
    const withoutUs = await errorsOf(
      'control',
      { 'consumer.ts': "export type { MikroORM } from '@mikro-orm/mysql';\nexport type { Migration } from '@mikro-orm/migrations';\n" },
      options,
    );
    // Nothing here any more: MikroORM has mended its EntitySerializer.d.ts, and this test can be one with the one above.
    expect(withoutUs.length).toBeGreaterThan(0);
    for (const error of withoutUs) expect(error).toMatch(/^node_modules\/@mikro-orm\/core\/serialization\/EntitySerializer\.d\.ts/);
    expect(await errorsOf('exact', { 'consumer.ts': service }, options)).toEqual(withoutUs);
  });
});

describe('docs/getting-started.md', () => {
  it(
    'leads from a checkout to a listener of one’s own under test, as it stands there',
    async () => {
      const home = mkdtempSync(join(tmpdir(), 'checkback-newcomer-'));
      try {
        const script = scriptOf(readFileSync(join(root, 'docs/getting-started.md'), 'utf8'));
        expect(script.split('\n').filter((line) => line.startsWith('npx vitest'))).toHaveLength(2);
        const cache = (await run('npm', ['config', 'get', 'cache'])).stdout.trim();
        const env = {
          ...process.env,
          HOME: home,
          CI: 'true',
          npm_config_cache: cache,
          npm_config_userconfig: join(homedir(), '.npmrc'),
          npm_config_prefer_offline: 'true',
          npm_config_ignore_scripts: 'true',
          npm_config_audit: 'false',
        };
        await run('bash', ['-c', script], { cwd: root, env, timeout: NEWCOMER_LIMIT_MS, maxBuffer: 64 * 1024 * 1024 });
        expect(existsSync(join(home, 'my-service/listeners/cancel-order.transaction.ts'))).toBe(true);
      } finally {
        rmSync(home, { recursive: true, force: true });
      }
    },
    NEWCOMER_LIMIT_MS,
  );
});

const service = readFileSync(join(import.meta.dirname, 'strict-consumer.ts.txt'), 'utf8');

/** Bytes of all files below a folder, for people. */
function sizeOf(folder: string): string {
  const bytes = readdirSync(folder, { recursive: true, withFileTypes: true }).reduce(
    (sum, entry) => (entry.isFile() ? sum + statSync(join(entry.parentPath, entry.name)).size : sum),
    0,
  );
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

/** First lines of what our own compiler says about these files, in a folder of the consumer. */
async function errorsOf(folder: string, files: Readonly<Record<string, string>>, options: object = {}): Promise<string[]> {
  const compilerOptions = {
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable'],
    module: 'nodenext',
    moduleResolution: 'nodenext',
    types: ['node'],
    strict: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    noEmit: true,
    ...options,
  };
  mkdirSync(join(consumer, folder), { recursive: true });
  for (const [name, text] of Object.entries({ ...files, 'tsconfig.json': JSON.stringify({ compilerOptions }) }))
    writeFileSync(join(consumer, folder, name), text);
  const { stdout } = await inConsumer(join(root, 'node_modules/.bin/tsc'), '--pretty', 'false', '-p', folder).catch(
    (error: Error & { stdout?: string }) => ({ stdout: error.stdout ?? `Error: ${error.message}` }),
  );
  return stdout.split('\n').filter((line) => /error|Error/.test(line));
}

/** Every declaration file the entries lead to, and every package they name with the files that name it. */
function reachable(entries: readonly string[]): { files: readonly string[]; packages: Map<string, string[]> } {
  const seen = new Set<string>();
  const packages = new Map<string, string[]>();
  const queue = [...entries];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, specifier = ''] of text.matchAll(/(?<!['"])(?:\bfrom|\bimport|\brequire\()\s*\(?\s*['"]([^'"]+)['"]/g)) {
      if (specifier.startsWith('.')) queue.push(resolve(dirname(file), specifier.replace(/\.[jt]s$/, '.d.ts')));
      else packages.set(specifier, [...(packages.get(specifier) ?? []), file]);
    }
  }
  return { files: [...seen], packages };
}
