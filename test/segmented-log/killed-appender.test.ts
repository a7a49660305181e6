import { fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { logIn, newDirectory, tagsIn } from './support/directories.ts';

describe('A process that is killed while it appends', () => {
  it(
    'leaves every append that resolved, whole, once and in its order, for the next one; and nothing nobody appended',
    { timeout: 240_000 },
    async () => {
      const directory = newDirectory();
      const acknowledged: string[] = [];
      for (const life of ['l1', 'l2', 'l3']) {
        const child = fork(resolve(import.meta.dirname, 'support/appending.child.ts'), [directory, life], { execArgv: ['--no-warnings'] });
        const exited = once(child, 'exit');
        const until = acknowledged.length + 50 + Math.floor(Math.random() * 500);
        child.on('message', (tag: string) => {
          acknowledged.push(tag);
          if (acknowledged.length >= until) child.kill('SIGKILL');
        });
        expect(await exited).toEqual([null, 'SIGKILL']);
      }
      const log = logIn(directory);
      await log.start();
      const kept = await tagsIn(log);
      const known = new Set(kept);
      expect(known.size).toBe(kept.length);
      expect(acknowledged.filter((tag) => !known.has(`${tag}-a`) || !known.has(`${tag}-b`))).toEqual([]);
      expect(kept.filter((tag) => !/^l[123]-\d+-\d+-[ab]$/.test(tag))).toEqual([]);
      // Both messages of an append, or none.
      expect(kept.filter((tag) => tag.endsWith('-a')).map((tag) => tag.slice(0, -2))).toEqual(
        kept.filter((tag) => tag.endsWith('-b')).map((tag) => tag.slice(0, -2)),
      );
      // Each place waited for one append before the next.
      for (const life of ['l1', 'l2', 'l3']) {
        for (let place = 0; place < 16; place += 1) {
          const numbers = kept
            .filter((tag) => tag.startsWith(`${life}-${place}-`) && tag.endsWith('-a'))
            .map((tag) => Number(tag.split('-')[2]));
          expect(numbers).toEqual([...numbers].sort((left, right) => left - right));
        }
      }
    },
  );
});
