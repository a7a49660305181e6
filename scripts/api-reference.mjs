// docs/api.md from the docstrings of what the package exports. `--check` writes nothing and says whether it is up to date.
// The compiler itself takes the sources apart: in its declarations every statement begins at the start of a line.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const PAGE = join(root, 'docs/api.md');
const ENTRIES = [
  { name: 'checkback', file: 'src/index.ts' },
  { name: 'checkback/testing', file: 'src/testing.ts' },
  { name: 'checkback/schema', file: 'schema/index.ts' },
];
const STATEMENT = /^(?:export )?(?:declare )?(?:abstract )?(?:const|function|class|interface|type|namespace) (\w+)/;

const declarations = mkdtempSync(join(tmpdir(), 'checkback-declarations-'));
let page;
try {
  const args = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', declarations];
  // Errors of types are the business of others; declarations are made all the same.
  spawnSync(join(root, 'node_modules/.bin/tsc'), args, { cwd: root, encoding: 'utf8' });
  page = render();
} finally {
  rmSync(declarations, { recursive: true, force: true });
}

if (!process.argv.includes('--check')) writeFileSync(PAGE, page);
else if (readFileSync(PAGE, 'utf8') !== page) {
  console.error('docs/api.md is not what the docstrings say: run "node scripts/api-reference.mjs"');
  process.exitCode = 1;
}

function render() {
  const parts = ENTRIES.map(({ name, file }) => {
    const sections = exportsOf(file).map(({ title, names }) => {
      const entries = names.map(({ name: exported, from }) => describe(exported, join(dirname(file), from)));
      return `${title === '' ? '' : `### ${title}\n\n`}${entries.join('\n')}`;
    });
    return `## \`${name}\`\n\n${sections.join('\n')}`;
  });
  const head = '# API reference\n\nMade from the docstrings by `node scripts/api-reference.mjs`; change them, not this page.\n';
  return `${[head, ...parts].join('\n').trimEnd()}\n`;
}

/** What an entry exports, under the comments that group it. */
function exportsOf(file) {
  const sections = [{ title: '', names: [] }];
  const text = readFileSync(join(root, file), 'utf8');
  for (const [, comment, list, from, every] of text.matchAll(
    /^\/\/ (.+)$|^export (?:type )?\{([^}]*)\} from '([^']+)';$|^export \* from '([^']+)';$/gm,
  )) {
    if (comment !== undefined) sections.push({ title: comment.replace(/\.$/, ''), names: [] });
    else if (every !== undefined) sections.push({ title: titleOf(every), names: namesIn(join(dirname(file), every), every) });
    else
      for (const name of list.split(',').map((one) => one.trim().replace(/^type /, '')))
        if (name !== '') sections.at(-1).names.push({ name, from });
  }
  return sections.filter(({ names }) => names.length > 0);
}

/** `./errors.ts` is a section of its own. */
function titleOf(path) {
  return basename(path, '.ts').replace(/^./, (first) => first.toUpperCase());
}

function namesIn(source, from) {
  return statementsOf(source).flatMap(({ name, isExported }) => (name !== undefined && isExported ? [{ name, from }] : []));
}

/** A name's statements, wherever the module it is exported from has it from. */
function find(name, source) {
  const all = statementsOf(source);
  const own = all.filter((statement) => statement.name === name);
  if (own.length > 0) return own;
  const passedOn = all.find(({ code }) => new RegExp(`^(?:export|import) (?:type )?\\{[^}]*\\b${name}\\b[^}]*\\} from`).test(code));
  if (passedOn === undefined) throw new Error(`${source} declares no ${name}; is it exported under another name?`);
  return find(name, join(dirname(source), /from '([^']+)'/.exec(passedOn.code)[1]));
}

function describe(name, source) {
  const statements = find(name, source);
  const prose = statements.map(({ comment }) => comment).find((comment) => comment !== '') ?? '';
  const code = statements.map(({ code: signature }) => signature).join('\n');
  // Nobody reads what MikroORM infers.
  const shown = code.includes('import(') ? `const ${name}: …` : code;
  return `#### ${name}\n\n${prose === '' ? '' : `${prose}\n\n`}\`\`\`typescript\n${shown}\n\`\`\`\n`;
}

/** Top-level statements of a declaration file, each with its docstring. */
function statementsOf(source) {
  const lines = readFileSync(join(declarations, source.replace(/\.ts$/, '.d.ts')), 'utf8').split('\n');
  const statements = [];
  let comment = [];
  let isComment = false;
  for (const line of lines) {
    if (line.startsWith('/**')) [isComment, comment] = [true, []];
    if (isComment) {
      comment.push(line);
      if (line.trimEnd().endsWith('*/')) isComment = false;
      continue;
    }
    const name = STATEMENT.exec(line)?.[1];
    if (name !== undefined)
      statements.push({
        name,
        isExported: line.startsWith('export '),
        comment: proseOf(comment),
        code: line.replace(/^export (?:declare )?/, ''),
      });
    else if (/^(?:import|export) /.test(line)) statements.push({ name: undefined, comment: '', code: line });
    else if (statements.length > 0 && line !== '') statements.at(-1).code += `\n${line.replaceAll('    ', '  ')}`;
    comment = [];
  }
  return statements;
}

/** A docstring as Markdown. */
function proseOf(comment) {
  return comment
    .map((line) => line.replace(/^\/\*\*\s?|\s*\*\/\s*$/g, '').replace(/^ \* ?/, ''))
    .join('\n')
    .trim();
}
