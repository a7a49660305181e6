/**
 * What a page tells its reader to do, as one shell script: its `sh` blocks in their order, and each block that names a
 * file (`ts file=…`) written where the reader stands by then.
 */
export function scriptOf(page: string): string {
  const blocks = [...page.matchAll(/^```(sh|ts file=(\S+))\n([\s\S]*?)^```$/gm)];
  const steps = blocks.map(([, , file, text = '']) =>
    file === undefined ? text : `cat > '${file}' <<'END_OF_FILE'\n${text}END_OF_FILE\n`,
  );
  return ['set -euo pipefail', 'set -x', ...steps].join('\n');
}
