import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const page = readFileSync(resolve(import.meta.dirname, '../../docs/testing.md'), 'utf8');
const blocks = [...page.matchAll(/^```ts file=(\S+)\n([\s\S]*?)^```$/gm)].map(([, file, code]) => [file!, code!] as const);

/** As a user of the package writes it. */
const published = (source: string): string =>
  source.replaceAll("'../../src/index.ts'", "'checkback'").replaceAll("'../../src/testing.ts'", "'checkback/testing'");

describe('docs/testing.md', () => {
  it('shows a listener and its test', () => {
    expect(blocks.map(([file]) => file)).toEqual(['send-welcome.listener.ts', 'send-welcome.test.ts']);
  });

  it.each(blocks)('shows %s as it is run here', (file, code) => {
    expect(code).toBe(published(readFileSync(resolve(import.meta.dirname, file), 'utf8')));
  });

  it('tests the listener in about 20 lines', () => {
    const test = blocks[1]![1];
    const body = test
      .slice(test.indexOf('it('))
      .split('\n')
      .filter((line) => line.trim() !== '');
    expect(body.length).toBeLessThanOrEqual(20);
  });
});
