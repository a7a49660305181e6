import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { sendProbeMessage } from '../../../src/cli/stack/grpc-probe.ts';
import { queryMysql } from '../../../src/cli/stack/mysql-probe.ts';
import { isAlive } from '../../../src/cli/stack/process-identity.ts';
import { waitUntil } from '../../../src/cli/stack/wait-until.ts';
import { createTopic, startPrivateStack } from '../../support/stack.ts';
import { namedStack, runStackCli } from './stack-cli.ts';

const stack = namedStack(`e2e-${process.pid}`);
const up = (...more: string[]) => runStackCli(['up', '--native', '--profile', 'test', ...stack.flags, ...more]);
const down = () => runStackCli(['down', ...stack.flags]).done;
const status = () => runStackCli(['status', '--json', ...stack.flags]).done;

/** Nothing but the log and the data of the last run, for people to read. */
const expectNothingLeft = async (): Promise<void> => {
  await stack.untilNoProcess();
  expect(existsSync(stack.folder.lockFile)).toBe(false);
  expect(existsSync(stack.folder.stateFile)).toBe(false);
};

afterEach(async () => {
  await down();
  await stack.untilNoProcess();
  stack.remove();
});

describe('checkback stack', () => {
  test('goes up, is found by a second up, and goes down without a trace', async () => {
    const first = await up('--topic', 'orders:TRANSACTION', '--group', 'payments:3', '--json').done;
    expect(first).toMatchObject({ code: 0 });
    const { endpoints, mysqlUrl } = JSON.parse(first.stdout) as { endpoints: string; mysqlUrl: string };
    expect(await queryMysql(mysqlUrl, 'SELECT DATABASE() AS name')).toEqual([{ name: 'checkback' }]);
    // An ordinary message to a TRANSACTION topic is refused: it exists, with its type.
    await expect(sendProbeMessage(endpoints, 'orders', 5000)).rejects.toThrow(/refused a message to orders/);
    expect(stack.processes().length).toBeGreaterThanOrEqual(4);

    const found = await up('--topic', 'more:NORMAL').done;
    expect(found).toMatchObject({ code: 0, stdout: expect.stringContaining(`export CHECKBACK_ROCKETMQ_ENDPOINTS='${endpoints}'\n`) });
    expect(found.stderr).toMatch(/was up already/);
    await sendProbeMessage(endpoints, 'more', 5000);
    expect(JSON.parse((await status()).stdout)).toMatchObject({ up: true, phase: 'ready', endpoints, mysqlUrl });

    expect(await down()).toMatchObject({ code: 0 });
    await expectNothingLeft();
    expect(await status()).toMatchObject({ code: 1, stdout: expect.stringContaining('"up":false') });
    expect(await down()).toMatchObject({ code: 0, stderr: expect.stringMatching(/no stack .* was up/) });
  });

  test('leaves no process when its supervisor was killed, and says so until down', async () => {
    expect(await up().done).toMatchObject({ code: 0 });
    const { supervisor, processes } = stack.state()!;
    process.kill(supervisor.pid, 'SIGKILL');
    await waitUntil(async () => expect(processes.some(isAlive)).toBe(false), {
      what: 'the servers to end by themselves',
      timeoutMs: 10_000,
    });
    expect(await status()).toMatchObject({ code: 1 });
    expect(await down()).toMatchObject({ code: 0 });
    await expectNothingLeft();
  });

  test('ends as a whole when one server dies, and status tells which', async () => {
    expect(await up().done).toMatchObject({ code: 0 });
    const broker = stack.state()!.processes.find(({ name }) => name === 'broker')!;
    process.kill(broker.pid, 'SIGKILL');
    await stack.untilNoProcess();
    const told = await status();
    expect(told.code).toBe(1);
    expect(JSON.parse(told.stdout)).toMatchObject({
      up: false,
      phase: 'failed',
      failure: expect.stringMatching(/broker was ended by SIGKILL/),
    });
  });

  test.each(['SIGINT', 'SIGKILL'] as const)('leaves nothing when up is ended by %s while it starts', async (signal) => {
    const { child, done } = up();
    const { processes } = await stack.untilStarted(2);
    expect(processes.some(isAlive)).toBe(true);
    child.kill(signal);
    expect((await done).code).toBe(signal === 'SIGINT' ? 130 : null);
    await expectNothingLeft();
  });

  test('ends with its owner', async () => {
    const owner = spawn('sleep', ['600'], { stdio: 'ignore' });
    expect(await up('--owner-pid', String(owner.pid)).done).toMatchObject({ code: 0 });
    owner.kill('SIGKILL');
    await expectNothingLeft();
  });

  test('says in one sentence what to install when nothing can run here', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'checkback-empty-'));
    const { code, stderr, stdout } = await runStackCli(['up', '--cache-dir', empty], { PATH: empty }).done;
    rmSync(empty, { recursive: true });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trim()).toMatch(
      /^no stack can run here: Docker does not answer .*, and a JDK, 17 or newer \(java\) and Maven \(mvn\) are not installed; install a JDK 17 and Maven .*$/,
    );
  });

  test('says what to do when the environment names a stack that is gone', async () => {
    const env = { ...process.env, CHECKBACK_ROCKETMQ_ENDPOINTS: '127.0.0.1:1', CHECKBACK_MYSQL_URL: 'mysql://root:secret@127.0.0.1:1/x' };
    const { code, stderr } = await runStackCli(['up', ...stack.flags], env).done;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /the database named by CHECKBACK_MYSQL_URL gave no answer: .*ECONNREFUSED.*; unset CHECKBACK_ROCKETMQ_ENDPOINTS/,
    );
    expect(stderr).not.toContain('secret');
    await expectNothingLeft();
  });

  test.each([
    [['up', '--topic', 'orders:TRANSACTIONAL'], /--topic.*orders:TRANSACTIONAL.*name:TYPE/s],
    [['up', '--group', 'payments'], /--group.*payments.*name:retries/s],
    [['up', '--profile', 'staging'], /--profile.*staging/s],
    [['up', '--native', '--docker'], /--native.*--docker/s],
    [['up', '--owner-pid', '0'], /--owner-pid.*no such process/s],
    [['up', '--name', '../x'], /name of a stack.*"\.\.\/x"/],
    [['sideways'], /sideways/],
  ])('refuses %j as wrong usage', async (args, message) => {
    const { code, stderr } = await runStackCli(args).done;
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('A private stack', () => {
  test('has its servers killed, frozen and started again on the same ports and data', async () => {
    await using stackOfOurs = await disposable();
    const { admin, broker, database, namesrv, endpoints, mysqlUrl } = stackOfOurs;
    const topic = await createTopic('NORMAL', { admin, queues: 1 });
    for (let sent = 0; sent < 3; sent += 1) await sendProbeMessage(endpoints, topic, 5000);
    await queryMysql(mysqlUrl, 'CREATE TABLE t (id INT PRIMARY KEY)');
    await queryMysql(mysqlUrl, 'INSERT INTO t VALUES (7)');

    for (const server of [namesrv, broker, database]) {
      const before = server.pid;
      expect(server.kill('SIGKILL')).toBe(true);
      await server.waitForExit();
      expect(server).toMatchObject({ running: false, pid: undefined });
      await server.start();
      expect(server.running).toBe(true);
      expect(server.pid).not.toBe(before);
    }
    expect(await admin.maxOffset(topic)).toBe(3);
    await sendProbeMessage(endpoints, topic, 5000);
    await expect.poll(() => admin.maxOffset(topic)).toBe(4);
    expect(await queryMysql(mysqlUrl, 'SELECT id FROM t')).toEqual([{ id: 7 }]);

    database.kill('SIGSTOP');
    await expect(queryMysql(mysqlUrl, 'SELECT 1', 500)).rejects.toThrow(/timeout|ETIMEDOUT/i);
    expect(database.running).toBe(true);
    database.kill('SIGCONT');
    expect(await queryMysql(mysqlUrl, 'SELECT id FROM t')).toEqual([{ id: 7 }]);
    database.kill('SIGSTOP');
    await database.stop();
    expect(database.running).toBe(false);
  });
});

async function disposable() {
  const own = await startPrivateStack();
  return Object.assign(own, { [Symbol.asyncDispose]: own.close });
}
