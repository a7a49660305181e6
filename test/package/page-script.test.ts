import { describe, expect, it } from 'vitest';
import { scriptOf } from './page-script.ts';

describe('The script of a page', () => {
  it('has its commands and files in their order, and nothing else of it', () => {
    const page = [
      'Text with `code`.',
      '```sh',
      'mkdir x',
      '```',
      '```ts file=x/a.ts',
      'const cost = "$5";',
      '```',
      '```ts',
      'not a file',
      '```',
      '```sh',
      'ls x',
      '```',
      '',
    ].join('\n');
    expect(scriptOf(page)).toBe(
      ['set -euo pipefail', 'set -x', 'mkdir x\n', `cat > 'x/a.ts' <<'END_OF_FILE'`, 'const cost = "$5";', 'END_OF_FILE\n', 'ls x\n'].join(
        '\n',
      ),
    );
  });
});
