import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const licences = (at: string) => spawnSync(process.execPath, [join(root, 'scripts/licences.mjs'), `--root=${at}`], { encoding: 'utf8' });

/** A project whose lockfile has these packages. */
function projectWith(packages: Record<string, object>): string {
  const folder = mkdtempSync(join(tmpdir(), 'checkback-licences-'));
  folders.push(folder);
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...packages } }));
  return folder;
}

describe('The licences of a production install', () => {
  it('are permissive, all of them', () => {
    const { status, stdout, stderr } = licences(root);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toMatch(/\d+ packages in a production install, 0 refused\n$/);
  });

  it.each([
    ['a licence that is not permissive', 'GPL-3.0', 1],
    ['none at all', undefined, 1],
    ['a choice with a permissive one', '(MIT OR GPL-3.0)', 0],
    ['two at once, one of them not permissive', 'MIT AND GPL-3.0', 1],
  ])('of %s are judged', (_what, license, status) => {
    const at = projectWith({ 'node_modules/one': { version: '1.0.0', ...(license === undefined ? {} : { license }) } });
    expect(licences(at).status).toBe(status);
  });

  it('are not those of development', () => {
    expect(licences(projectWith({ 'node_modules/one': { version: '1.0.0', license: 'GPL-3.0', dev: true } })).status).toBe(0);
  });
});
