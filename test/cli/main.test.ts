import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCheckback } from './support/run-checkback.ts';

let empty: string;

beforeAll(() => {
  empty = mkdtempSync(join(tmpdir(), 'checkback-cli-'));
});

afterAll(() => rmSync(empty, { recursive: true, force: true }));

const config = (content: string): string => {
  const file = join(empty, `${Math.random().toString(36).slice(2)}.mjs`);
  writeFileSync(file, content);
  return file;
};

describe('The checkback command', () => {
  it('teaches its use, and ends with 0 when asked to', async () => {
    const { code, stdout } = await runCheckback(['--help']);
    expect(code).toBe(0);
    for (const command of ['demo', 'worker', 'migrate', 'purge', 'stack', 'mock-bank']) expect(stdout).toContain(`  ${command} `);
    expect(stdout).toMatch(/Exit codes: 0 done, 1 failed, 2 wrong usage/);
  });

  it.each([
    ['an unknown command', ['publish'], /unknown command 'publish'/],
    ['an unknown option', ['worker', '--threads', '4'], /unknown option '--threads'/],
    ['a number that is none', ['worker', '--concurrency', 'many'], /must be a whole number/],
    ['a log level that does not exist', ['worker', '--log-level', 'loud'], /Allowed choices are debug, info, warn, error/],
  ])('ends with 2 at %s', async (_what, args, complaint) => {
    const { code, stderr } = await runCheckback(args);
    expect(stderr).toMatch(complaint);
    expect(code).toBe(2);
  });

  it('ends with 2 and says what to write where there is no configuration', async () => {
    const { code, stderr } = await runCheckback(['worker'], {}, empty);
    expect(stderr).toMatch(/no checkback\.config\.ts, .* write one or name it with --config/);
    expect(code).toBe(2);
  });

  it.each([
    ['no owner', 'export default {}', {}, /"owner" is missing/],
    ['an unknown field', 'export default { owner: "o", listeners: [] }', {}, /unknown field "listeners"/],
    ['no default export', 'export const config = {}', {}, /must export its configuration by default/],
    ['a syntax error', 'export default {', {}, /cannot be loaded/],
    ['no broker', 'export default { owner: "o" }', {}, /CHECKBACK_ROCKETMQ_ENDPOINTS/],
    ['no database', 'export default { owner: "o", endpoints: "127.0.0.1:1" }', {}, /CHECKBACK_MYSQL_URL/],
    [
      'no origin for a listener',
      'export default { owner: "o", endpoints: "127.0.0.1:1", databaseUrl: "mysql://h/d", messageListeners: [{ name: "charge", call: { origin: "bank" } }] }',
      {},
      /"charge" calls origin "bank": set it in "origins"/,
    ],
    [
      'bad origins',
      'export default { owner: "o" }',
      { CHECKBACK_ROCKETMQ_ENDPOINTS: 'a:1', CHECKBACK_MYSQL_URL: 'mysql://h/d', CHECKBACK_ORIGINS: 'bank' },
      /CHECKBACK_ORIGINS must look like/,
    ],
  ])('ends with 2 at a configuration with %s', async (_what, content, env, complaint) => {
    const { code, stderr } = await runCheckback(['worker', '--config', config(content)], env);
    expect(stderr).toMatch(complaint);
    expect(code).toBe(2);
  });

  it('never prints the password of a database it cannot reach, and ends with 1', async () => {
    const file = config('export default { owner: "o", endpoints: "127.0.0.1:1", databaseUrl: "mysql://me:hunter2@127.0.0.1:1/shop" }');
    const { code, stderr, stdout } = await runCheckback(['migrate', 'status', '--config', file]);
    expect(stderr).toMatch(/no answer from the database at 127\.0\.0\.1:1\/shop/);
    expect(stderr + stdout).not.toContain('hunter2');
    expect(code).toBe(1);
  });
});
