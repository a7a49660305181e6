import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rocketmq } from '../../src/index.ts';
import { EmbeddedBroker } from '../../src/testing.ts';
import { createSqlite } from '../support/sqlite.ts';

const root = resolve(import.meta.dirname, '../..');
const command = [process.execPath, resolve(root, 'src/cli/main.ts'), 'worker', '--metrics-port', '0'];
const config = ['--config', resolve(import.meta.dirname, 'support/gated-worker.child.ts')];
const isolated = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
/** A process namespace of one's own, as a container has it; not everybody may have one. */
const mayIsolate = spawnSync(isolated[0]!, [...isolated.slice(1), 'true']).status === 0;
const until = { timeout: 50_000, interval: 50 };

describe('checkback worker', () => {
  let parts: AsyncDisposableStack;
  beforeEach(() => {
    parts = new AsyncDisposableStack();
  });
  afterEach(() => parts.disposeAsync());

  /** Holds every request until it is let go. */
  async function startGate() {
    const waiting: ServerResponse[] = [];
    const server = createServer((_request, response) => void waiting.push(response));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    parts.defer(async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    return { url, waiting, open: () => waiting.splice(0).forEach((response) => response.end()) };
  }

  async function startStack() {
    const broker = parts.adopt(
      await EmbeddedBroker.start({ topics: { jobs: 'NORMAL' }, groups: { 'gated-workers': {}, 'gated-workers-dlq-drain': {} } }),
      (opened) => opened.close(),
    );
    const home = parts.adopt(await createSqlite(), (opened) => opened.drop());
    const producer = parts.adopt(
      await rocketmq({ endpoints: broker.endpoints }).startProducer({ topic: 'jobs', type: 'NORMAL' }),
      (opened) => opened.close(),
    );
    const send = (payload: object) =>
      producer.send({ topic: 'jobs', tag: '', keys: [], properties: {}, body: Buffer.from(JSON.stringify(payload)) });
    return { broker, home, send };
  }

  function start(words: readonly string[], { broker, home }: Awaited<ReturnType<typeof startStack>>) {
    const { PATH, NODE_COMPILE_CACHE = '' } = process.env;
    const env = { PATH, NODE_COMPILE_CACHE, CHECKBACK_ROCKETMQ_ENDPOINTS: broker.endpoints, CHECKBACK_DATABASE_URL: home.url };
    const child = spawn(words[0]!, words.slice(1), { env, cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = new Promise<number | null>((end) => child.once('exit', (code) => end(code)));
    parts.defer(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => void (log += chunk.toString()));
    const port = (): number | undefined => {
      const line = log.split('\n').find((line) => line.includes('"metrics and health"'));
      return line === undefined ? undefined : (JSON.parse(line) as { port: number }).port;
    };
    const readiness = async (): Promise<number | string> => {
      const response = await fetch(`http://127.0.0.1:${port()}/readyz`).catch(() => undefined);
      if (response === undefined) return 'no answer';
      const { parts: found } = (await response.json()) as { parts: Record<string, { reason?: string }> };
      return response.status === 200 ? 200 : `503 ${found['process']?.reason ?? JSON.stringify(found)}`;
    };
    return { child, ended, readiness, log: () => log };
  }

  async function drains(words: readonly string[], signalled: (child: ChildProcess) => number) {
    const stack = await startStack();
    const gate = await startGate();
    const worker = start(words, stack);
    await expect.poll(() => worker.readiness(), until).toBe(200);
    await stack.send({ gate: gate.url });
    await expect.poll(() => gate.waiting.length, until).toBe(1);
    const pid = signalled(worker.child);
    expect(childrenOf(pid)).toEqual([]);
    process.kill(pid, 'SIGTERM');
    await expect.poll(() => worker.readiness(), until).toBe('503 it is draining');
    gate.open();
    expect(await worker.ended, worker.log()).toBe(0);
    expect(worker.log()).toMatch(/"finished":1,"handedBack":0,"unsettled":0/);
  }

  it('is not ready from the moment it drains, ends what it works on, and exits with 0', async () => {
    await drains([...command, ...config], (child) => child.pid!);
  });

  it.runIf(mayIsolate)('does so as process 1 of a container too, and has no children', async () => {
    await drains([...isolated, ...command, ...config], (child) => {
      const [pid] = childrenOf(child.pid!);
      // The last number is the one it has in its own namespace.
      expect(/^NSpid:\s.*\s(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]).toBe('1');
      return pid!;
    });
  });
});

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
