import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES } from '../../schema/index.ts';
import { neededOn } from '../../src/cli/doctor/grants.ts';
import { blocksOf, moduleOf, pages, root, textOf } from './checked-blocks.ts';

/** On a machine that is busy with other tests. */
const COMPILE_LIMIT_MS = 240_000;

describe('Code on the pages', () => {
  const blocks = pages.flatMap((page) => blocksOf(page)).filter(({ info }) => info === 'ts check');
  let folder: string;
  let complaints: string;

  beforeAll(() => {
    // Under the root, so that packages are found.
    mkdirSync(join(root, '.cache'), { recursive: true });
    folder = mkdtempSync(join(root, '.cache/pages-'));
    blocks.forEach((block, index) => writeFileSync(join(folder, `block-${index}.ts`), moduleOf(block, folder)));
    const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as { compilerOptions: object };
    // What a block leaves to its reader is not used in it.
    const options = { ...compilerOptions, noUnusedLocals: false, noUnusedParameters: false };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }));
    const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['--pretty', 'false', '-p', folder], { cwd: root, encoding: 'utf8' });
    complaints = tsc.stdout;
  }, COMPILE_LIMIT_MS);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is there to be compiled', () => {
    expect(blocks.length).toBeGreaterThan(0);
  });

  it.each(blocks.map((block, index) => [`${block.page}:${block.line}`, index] as const))('compiles at %s', (_at, index) => {
    expect(complaints.split('\n').filter((line) => line.includes(`block-${index}.ts`))).toEqual([]);
  });

  it.each(pages)('of %s is all compiled or run, or none of it is', (page) => {
    const kinds = blocksOf(page).flatMap(({ info }) => (info.startsWith('ts') ? [/^ts (?:check|file=\S+)$/.test(info)] : []));
    expect(new Set(kinds).size).toBeLessThanOrEqual(1);
  });
});

describe('Commands on the pages', () => {
  let program: Command;

  beforeAll(async () => {
    program = new Command('checkback');
    const main = readFileSync(join(root, 'src/cli/main.ts'), 'utf8');
    for (const [, name, path] of main.matchAll(/^import \{ (\w+Command) \} from '(\.\/commands\/[^']+)'/gm)) {
      const module = (await import(join(root, 'src/cli', path!))) as Record<string, (environment: object) => Command>;
      program.addCommand(module[name!]!({}));
    }
  }, COMPILE_LIMIT_MS);

  it.each(pages)('of %s exist, with their options', (page) => {
    const unknown = commandsIn(textOf(page)).flatMap((words) => complaint(program, words));
    expect(unknown).toEqual([]);
  });

  it('are found and told from those that do not exist', () => {
    const found = commandsIn('Use `checkback dlq list | shwo`, `npx checkback doctor --jsn`, or\n```sh\ncheckback worker\n```\n');
    expect(found.flatMap((words) => complaint(program, words))).toEqual(['checkback dlq shwo', 'checkback doctor --jsn']);
    expect(found).toContainEqual(['worker']);
  });
});

describe('Links on the pages', () => {
  it.each(pages)('of %s lead to files', (page) => {
    const links = [...textOf(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, to]) => to!);
    expect(links.filter((to) => !existsSync(join(root, dirname(page), to)))).toEqual([]);
  });
});

describe('docs/doctor.md', () => {
  it('says which grants the engine needs, as the doctor sees them', () => {
    const [appendOnly = '', cleaned = ''] = textOf('docs/doctor.md')
      .slice(textOf('docs/doctor.md').indexOf('Grants for a service'))
      .split('SELECT, INSERT and UPDATE');
    const named = (text: string): string[] => [...text.matchAll(/`(\w+)`/g)].map(([, table]) => table!).toSorted();
    const tables = ENGINE_ENTITIES.map(({ meta }) => meta.tableName);
    const that = (wanted: readonly string[]): string[] => tables.filter((table) => neededOn(table).join() === wanted.join()).toSorted();
    expect(named(appendOnly)).toEqual(that(['SELECT', 'INSERT']));
    expect(named(cleaned)).toEqual(that(['SELECT', 'INSERT', 'UPDATE', 'DELETE']));
  });
});

/** Words behind `checkback` in inline code and at the start of lines of a shell; `a | b` are two commands. */
function commandsIn(text: string): string[][] {
  const inline = [...text.matchAll(/`(?:npx )?checkback ([a-z][^`]*)`/g)].map(([, rest]) => rest!);
  const shown = blocksOf('', text).filter(({ info }) => info === 'sh' || info === 'console');
  const lines = shown.flatMap(({ code }) => [...code.matchAll(/^(?:\$ )?(?:npx )?checkback ([a-z].*)$/gm)].map(([, rest]) => rest!));
  return [...inline, ...lines].flatMap((rest) => {
    const [first = '', ...others] = rest.split(/ \| ?/);
    const words = first.trim().split(/\s+/);
    return [words, ...others.map((other) => [...words.slice(0, -1), ...other.trim().split(/\s+/)])];
  });
}

function complaint(program: Command, words: readonly string[]): string[] {
  let command = program;
  let at = 0;
  for (const nested = (): Command | undefined => command.commands.find((one) => one.name() === words[at]); nested() !== undefined; at += 1)
    command = nested()!;
  const said = `checkback ${words.join(' ')}`;
  // A command that has commands of its own takes no other word; one with neither is none.
  if (command === program || (command.commands.length > 0 && /^[a-z]/.test(words[at] ?? ''))) return [said];
  const known = new Set(command.options.map(({ long }) => long));
  return words.slice(at).some((word) => word.startsWith('--') && !known.has(word)) ? [said] : [];
}
