// The bill of materials of a production install (CycloneDX), from the lockfile and without a network; to standard output.
// Not `npm sbom --omit dev`: that leaves out every package which a tool of ours uses as well, undici and rxjs among them.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const read = (file) => JSON.parse(readFileSync(join(root, file), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'checkback-sbom-'));
try {
  const { devDependencies: _, ...manifest } = read('package.json');
  const { packages, ...lockfile } = read('package-lock.json');
  const production = Object.entries(packages).filter(([, { dev }]) => !dev);
  const { devDependencies: __, ...self } = packages[''];
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(
    join(folder, 'package-lock.json'),
    JSON.stringify({ ...lockfile, packages: { ...Object.fromEntries(production), '': self } }),
  );
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', '--offline', '--loglevel=error'];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
