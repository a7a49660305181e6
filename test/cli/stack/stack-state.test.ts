import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { identityOf, isAlive, ownIdentity, signalProcess, type ProcessIdentity } from '../../../src/cli/stack/process-identity.ts';
import { readLock, releaseLock, takeLock } from '../../../src/cli/stack/stack-lock.ts';
import { endLeftovers, isUsable, readState, stackFolder, writeState, type StackState } from '../../../src/cli/stack/stack-state.ts';
import { stackDown } from '../../../src/cli/stack/supervisor-client.ts';

const cacheDir = mkdtempSync(join(tmpdir(), 'checkback-state-'));
const folder = stackFolder(cacheDir, 'unit');
const children: ChildProcess[] = [];

const startSleeper = (): ProcessIdentity => {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  children.push(child);
  return identityOf(child.pid!)!;
};
const dead: ProcessIdentity = { pid: 2 ** 22 + 1, startTime: '1' };
const stateWith = (change: Partial<StackState>): StackState => ({
  version: 1,
  phase: 'ready',
  supervisor: dead,
  profile: 'test',
  startedAt: '2026-01-01T00:00:00.000Z',
  logFile: folder.logFile,
  processes: [],
  ...change,
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder.dir, { recursive: true, force: true });
});
afterAll(() => rmSync(cacheDir, { recursive: true }));

describe('A process identity', () => {
  test('is alive until the process ends, unreaped or not', async () => {
    const sleeper = startSleeper();
    expect(isAlive(sleeper)).toBe(true);
    process.kill(sleeper.pid, 'SIGKILL');
    await expect.poll(() => isAlive(sleeper)).toBe(false);
  });

  test.skipIf(process.platform !== 'linux')('does not exist for a process that is dead but was never reaped', async () => {
    // The shell becomes another program, one that never asks after the child it inherited; the child must outlive the shell.
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(parent);
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (data: Buffer) => resolve(Number(data))));
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
    expect(identityOf(pid)).toBeUndefined();
  });

  test('is not that of another process with the same pid, which gets no signal', () => {
    const recycled = { ...startSleeper(), startTime: '1' };
    expect(isAlive(recycled)).toBe(false);
    expect(signalProcess(recycled, 'SIGKILL')).toBe(false);
    expect(identityOf(recycled.pid)).toBeDefined();
  });

  test('does not exist for pids that are none', () => {
    for (const pid of [0, -1, 1.5, Number.NaN, dead.pid]) expect(identityOf(pid)).toBeUndefined();
  });
});

describe('The state file', () => {
  test('gives back what was written and leaves no draft', () => {
    const state = stateWith({ processes: [{ name: 'broker', ...dead }] });
    writeState(folder.stateFile, state);
    expect(readState(folder.stateFile)).toEqual(state);
    expect(readdirSync(folder.dir)).toEqual(['state.json']);
  });

  test.each(['', '{', '{"version":2}', '{"version":1,"processes":[]}', '[]', 'null'])('is no state when it reads %j', (text) => {
    mkdirSync(folder.dir, { recursive: true });
    writeFileSync(folder.stateFile, text);
    expect(readState(folder.stateFile)).toBeUndefined();
  });

  test('says usable only while the supervisor and every server live', () => {
    const supervisor = ownIdentity();
    const server = { name: 'broker', ...startSleeper() };
    expect(isUsable(stateWith({ supervisor, processes: [server] }))).toBe(true);
    expect(isUsable(stateWith({ supervisor, processes: [server], phase: 'starting' }))).toBe(false);
    expect(isUsable(stateWith({ supervisor: dead, processes: [server] }))).toBe(false);
    expect(isUsable(stateWith({ supervisor, processes: [server, { name: 'mariadb', ...dead }] }))).toBe(false);
  });

  test.each(['../x', '', 'A', 'a/b', 'x'.repeat(32)])('has no place for a stack named %j', (name) => {
    expect(() => stackFolder(cacheDir, name)).toThrow(JSON.stringify(name));
  });
});

describe('Leftovers of a killed supervisor', () => {
  test('are ended by down, a stranger with a recorded pid is not', async () => {
    const [broker, stranger] = [startSleeper(), startSleeper()];
    const processes = [
      { name: 'broker', ...broker },
      { name: 'mariadb', ...stranger, startTime: '1' },
    ];
    writeState(folder.stateFile, stateWith({ processes }));
    const said: string[] = [];
    await stackDown(cacheDir, 'unit', (line) => said.push(line));
    expect(said).toEqual(['ended what a killed supervisor left: broker']);
    expect(isAlive(broker)).toBe(false);
    expect(isAlive(stranger)).toBe(true);
    expect(existsSync(folder.stateFile)).toBe(false);
  });

  test('are none when all is gone', async () => {
    expect(await endLeftovers(stateWith({ processes: [{ name: 'broker', ...dead }] }))).toEqual([]);
  });
});

describe('The lock', () => {
  test('has one owner, and is free again when given back', () => {
    const first = takeLock(folder.lockFile);
    expect(takeLock(folder.lockFile)).toEqual({ heldBy: ownIdentity() });
    if ('release' in first) first.release();
    expect(takeLock(folder.lockFile)).toHaveProperty('release');
    expect(readdirSync(folder.dir)).toEqual(['lock']);
  });

  test.each([
    ['of a dead owner', JSON.stringify(dead)],
    ['that cannot be read', 'half a lo'],
    ['of a recycled pid', JSON.stringify({ pid: process.pid, startTime: '1' })],
  ])('%s is taken over', (_, text) => {
    mkdirSync(dirname(folder.lockFile), { recursive: true });
    writeFileSync(folder.lockFile, text);
    expect(takeLock(folder.lockFile)).toHaveProperty('release');
    expect(readLock(folder.lockFile)).toEqual(ownIdentity());
    expect(readdirSync(folder.dir)).toEqual(['lock']);
  });

  test('is not given back by somebody who does not hold it', () => {
    takeLock(folder.lockFile);
    releaseLock(folder.lockFile, dead);
    expect(readLock(folder.lockFile)).toEqual(ownIdentity());
  });

  test('of a dead launcher is removed by down', async () => {
    mkdirSync(dirname(folder.lockFile), { recursive: true });
    writeFileSync(folder.lockFile, JSON.stringify(dead));
    await stackDown(cacheDir, 'unit');
    expect(existsSync(folder.lockFile)).toBe(false);
  });
});
