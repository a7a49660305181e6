import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

interface Job {
  readonly needs?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps: readonly { readonly run?: string; readonly uses?: string; readonly env?: Readonly<Record<string, string>> }[];
}
const workflow = parse(readFileSync(join(root, '.github/workflows/release.yml'), 'utf8')) as {
  readonly on: object;
  readonly permissions: object;
  readonly jobs: Readonly<Record<string, Job>>;
};
const commandsOf = (job: string): string[] => workflow.jobs[job]!.steps.flatMap(({ run }) => (run === undefined ? [] : [run]));

describe('The release workflow', () => {
  it('runs for tags alone, may do nothing by default, and keeps no token', () => {
    expect(workflow.on).toEqual({ push: { tags: ['v*'] } });
    expect(workflow.permissions).toEqual({ contents: 'read' });
    expect(JSON.stringify(workflow)).not.toMatch(/secrets\.|NODE_AUTH_TOKEN/);
  });

  it('publishes with provenance what was tested, and runs no install script on the way', () => {
    expect(workflow.jobs['publish']).toMatchObject({ needs: 'test', permissions: { 'id-token': 'write' } });
    expect(commandsOf('test')).toContain('.ci/run');
    expect(commandsOf('publish').find((run) => run.startsWith('npm publish'))).toMatch(/--provenance .*--ignore-scripts/);
    for (const run of commandsOf('publish').filter((command) => command.startsWith('npm ci'))) expect(run).toContain('--ignore-scripts');
  });

  it('runs scripts that are there', () => {
    const scripts = [...commandsOf('test'), ...commandsOf('publish')].flatMap((run) => run.match(/scripts\/\S+\.mjs/g) ?? []);
    expect(scripts).toEqual(expect.arrayContaining(['scripts/licences.mjs', 'scripts/sbom.mjs']));
    for (const script of scripts) expect(() => readFileSync(join(root, script))).not.toThrow();
  });

  it('can make its bill of materials from the lockfile, without a network', () => {
    const { stdout, stderr } = spawnSync(process.execPath, ['scripts/sbom.mjs'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    expect(stdout, stderr).not.toBe('');
    const { bomFormat, components } = JSON.parse(stdout) as { bomFormat: string; components: { name: string }[] };
    expect(bomFormat).toBe('CycloneDX');
    const names = components.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['undici', 'rxjs', 'mysql2']));
    expect(names).not.toContain('vitest');
    // What its own dependencies are is what they are licensed for.
    const licences = spawnSync(process.execPath, ['scripts/licences.mjs'], { cwd: root, encoding: 'utf8' }).stdout;
    expect(licences).toContain(`${components.length} packages in a production install`);
  });
});
