import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let child: ChildProcess;
let lines: AsyncIterator<string>;
let exited: Promise<unknown[]>;
const nextLine = async (): Promise<string> => (await lines.next()).value as string;

beforeEach(async () => {
  child = fork(new URL('./support/until-stopped.child.ts', import.meta.url), { stdio: ['pipe', 'pipe', 'inherit', 'ipc'] });
  exited = once(child, 'exit');
  const reader: Interface = createInterface(child.stdout!);
  lines = reader[Symbol.asyncIterator]();
  if ((await nextLine()) !== 'ready') throw new Error('the child did not start');
});
afterEach(() => child.kill('SIGKILL'));

describe('A process that waits to be stopped', () => {
  it('may clear up when the parent that stopped it closes the channel as well', async () => {
    child.kill('SIGTERM');
    expect(await nextLine()).toBe('SIGTERM');
    child.disconnect();
    expect(await nextLine()).toBe('disconnected');
    child.stdin!.end();
    expect(await exited).toEqual([0, null]);
  });

  it('is stopped by a parent that is gone', async () => {
    child.disconnect();
    expect((await Promise.all([nextLine(), nextLine()])).toSorted()).toEqual(['SIGTERM', 'disconnected']);
    child.stdin!.end();
    expect(await exited).toEqual([0, null]);
  });

  it('ends at once when it is asked twice', async () => {
    child.kill('SIGTERM');
    expect(await nextLine()).toBe('SIGTERM');
    child.kill('SIGINT');
    expect(await exited).toEqual([130, null]);
  });
});
