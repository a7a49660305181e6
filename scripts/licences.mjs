// The licences of what a production install brings, by the lockfile and the installed packages. Exit code 1 for one that is not permissive.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const PERMISSIVE = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
  'Unlicense',
  'Zlib',
]);

const root = resolve(process.argv.find((arg) => arg.startsWith('--root='))?.slice('--root='.length) ?? join(import.meta.dirname, '..'));
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const found = Object.entries(packages).flatMap(([path, entry]) => {
  // Whatever is marked so is never in a production install; what is only a platform's is in that platform's.
  if (path === '' || entry.dev || entry.link) return [];
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  return [{ name, version: entry.version, licence: licenceOf(entry, path) }];
});

const refused = found.filter(({ licence }) => !isPermissive(licence));
const byLicence = Map.groupBy(found, ({ licence }) => licence);
for (const [licence, all] of [...byLicence].toSorted(([, a], [, b]) => b.length - a.length))
  console.log(
    `${String(all.length).padStart(4)}  ${licence.padEnd(14)}  ${all
      .map(({ name, version }) => `${name}@${version}`)
      .toSorted()
      .join(' ')}`,
  );
console.log(`${found.length} packages in a production install, ${refused.length} refused`);
for (const { name, version, licence } of refused) console.error(`${name}@${version}: ${licence} is not on the list of permissive licences`);
process.exitCode = refused.length === 0 ? 0 : 1;

/** The lockfile's word; older packages say it in their own package.json only. */
function licenceOf(entry, path) {
  const said = entry.license ?? installed(path).license ?? installed(path).licenses;
  if (typeof said === 'string') return said;
  if (Array.isArray(said)) return said.map(({ type }) => type).join(' OR ');
  return said?.type ?? 'UNKNOWN';
}

function installed(path) {
  try {
    return JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'));
  } catch {
    return {};
  }
}

/** "(MIT OR GPL-3.0)" leaves us the choice, "MIT AND CC-BY-4.0" does not. */
function isPermissive(licence) {
  const bare = licence.replaceAll(/[()]/g, '');
  return bare.split(' OR ').some((choice) => choice.split(' AND ').every((one) => PERMISSIVE.has(one.trim())));
}
