// The worked example into a service of your own: `node scripts/copy-listeners.mjs <folder>`. Overwrites nothing.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node scripts/copy-listeners.mjs <folder of the new service>');
  process.exit(2);
}
const target = resolve(folder);
const files = ['checkback.config.ts', 'tsconfig.json', 'listeners'];
const there = files.filter((file) => existsSync(join(target, file)));
if (there.length > 0) {
  console.error(`${target} has ${there.join(', ')} already; nothing was copied`);
  process.exit(1);
}
mkdirSync(target, { recursive: true });
// The frameworks want packages of their own: look at listeners/frameworks when you need one.
const LEFT_HERE = [join(root, 'listeners/frameworks'), join(root, 'listeners/README.md')];
cpSync(join(root, 'listeners'), join(target, 'listeners'), { recursive: true, filter: (path) => !LEFT_HERE.includes(path) });
cpSync(join(root, 'checkback.config.ts'), join(target, 'checkback.config.ts'));
for (const file of [join(target, 'checkback.config.ts'), ...sourcesIn(join(target, 'listeners'))]) {
  const text = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    text.replaceAll(/'(?:\.\.?\/)+src\/index\.ts'/g, "'checkback'").replaceAll(/'(?:\.\.?\/)+schema\/index\.ts'/g, "'checkback/schema'"),
  );
}
const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
writeFileSync(join(target, 'tsconfig.json'), `${JSON.stringify({ compilerOptions, include: ['*.ts', 'listeners'] }, undefined, 2)}\n`);
console.log(`listeners/, checkback.config.ts and tsconfig.json are in ${target}; they import "checkback" now`);

function sourcesIn(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}
