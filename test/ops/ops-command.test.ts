import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts';
import { runCheckback } from '../cli/support/run-checkback.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';

const ROOT = resolve(import.meta.dirname, '../..');

describe('The ops page as a command', () => {
  let folder: string;
  let file: TestSqlite;
  let config: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'checkback-ops-'));
    file = await createSqlite();
    config = join(folder, 'checkback.config.mjs');
    const listener = `{ name: 'welcome', topic: 'signups', group: 'welcome', process: async () => {} }`;
    writeFileSync(
      config,
      `import { defineMessageListener } from ${JSON.stringify(pathToFileURL(join(ROOT, 'src/index.ts')).href)};
       export default { owner: 'shop', messageListeners: [defineMessageListener(${listener})], deadLetters: { drainBroker: false } };`,
    );
  });
  afterAll(async () => {
    await file?.drop();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  const environment = (endpoints = '127.0.0.1:1'): Record<string, string> => ({
    CHECKBACK_DATABASE_URL: file.url,
    CHECKBACK_ROCKETMQ_ENDPOINTS: endpoints,
  });

  /** Runs until it has said where its page is. */
  async function started(args: readonly string[], env: Record<string, string>): Promise<{ url: string; stop(): Promise<number | null> }> {
    const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env;
    const child = spawn(process.execPath, [join(ROOT, 'src/cli/main.ts'), ...args, '--config', config], {
      env: { PATH, NODE_COMPILE_CACHE, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(child);
    const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
    const url = await new Promise<string>((found, failed) => {
      let said = '';
      child.stderr.on('data', (piece: Buffer) => {
        said += piece.toString();
        const url = /"url":"(http:[^"]+)"/.exec(said)?.[1];
        if (url !== undefined) found(url);
      });
      child.once('close', () => failed(new Error(`it ended: ${said}`)));
    });
    return {
      url,
      stop: () => {
        child.kill('SIGTERM');
        return ended;
      },
    };
  }

  it('is served by a process of its own until that is stopped', async () => {
    const { url, stop } = await started(['ops', '--port', '0'], { ...environment(), CHECKBACK_OPS_TOKEN: 'a-token-of-the-team' });
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(url)).status).toBe(401);
    expect((await fetch(url, { headers: { authorization: 'Bearer a-token-of-the-team' } })).status).toBe(200);
    expect(await stop()).toBe(0);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });

  it('is served by a worker that is told to, and shows that worker', async () => {
    await using broker = {
      of: await EmbeddedBroker.start({ topics: { signups: 'NORMAL' }, groups: { welcome: {} }, settings: { minLongPollMs: 1_000 } }),
      [Symbol.asyncDispose]: (): Promise<void> => broker.of.close(),
    };
    const { url, stop } = await started(['worker', '--ops-port', '0'], environment(broker.of.endpoints));
    await expect.poll(async () => (await fetch(url)).text(), { timeout: 30_000 }).toContain('1 alive');
    expect(await stop()).toBe(0);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });

  it('is refused where everybody could use it, and at what is no port', async () => {
    const open = await runCheckback(['ops', '--port', '0', '--host', '0.0.0.0', '--config', config], environment());
    expect(open).toMatchObject({ code: 2, stderr: expect.stringContaining('the page needs ops.token') as string });
    const weak = await runCheckback(['ops', '--port', '0', '--config', config], { ...environment(), CHECKBACK_OPS_TOKEN: 'hunter2' });
    expect(weak.code).toBe(1);
    expect(weak.stderr).toContain('CHECKBACK_OPS_TOKEN must have 16 to 512 characters, it has 7');
    expect(weak.stderr).not.toContain('hunter2');
    expect(await runCheckback(['ops', '--port', '70000', '--config', config])).toMatchObject({ code: 2 });
    expect(await runCheckback(['ops', '--config', config])).toMatchObject({ code: 2 });
  });
});
