import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { startProcess } from '../support/publishing-processes.ts';
import { createDatabase, useStack } from '../support/stack.ts';

/** Command lines of the living processes that have inherited the mark. */
function processesWith(mark: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(mark)) return [];
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return line === '' ? [] : [`${pid} ${line}`];
      } catch {
        return [];
      }
    });
}

describe('checkback demo', () => {
  it.runIf(process.platform === 'linux')(
    'tells its four stories on a given stack, exits 0 and leaves no process',
    async () => {
      const { endpoints, namesrvAddress } = useStack();
      const database = await createDatabase('demo');
      const cwd = mkdtempSync(join(tmpdir(), 'checkback-demo-'));
      const mark = randomUUID();
      const env = {
        ...process.env,
        CHECKBACK_ROCKETMQ_ENDPOINTS: endpoints,
        CHECKBACK_ROCKETMQ_NAMESRV: namesrvAddress,
        CHECKBACK_MYSQL_URL: database.url,
        CHECKBACK_TEST_MARK: mark,
      };
      try {
        await using demo = startProcess('src/cli/main.ts', ['demo', '--stack', 'given'], { env, cwd });
        await expect.poll(() => processesWith(mark).length, { timeout: 30_000 }).toBeGreaterThan(0);
        const { how, stdout, stderr } = await demo.ended;
        const told = stripVTControlCharacters(stdout);
        expect(how, `${told}\n${stderr}`).toBe(0);
        const verdicts = told.split('\n').filter((line) => /^ {2}[✓✗] /.test(line));
        expect(verdicts).toEqual([
          expect.stringMatching(/✓ one decision: the row is there/),
          expect.stringMatching(/✓ nothing was lost: the broker asked back, the row answered COMMIT/),
          expect.stringMatching(/✓ never retried blindly: the bank was sent 1 payment, and was paid once/),
          expect.stringMatching(/✓ \(b\) again: no row, no delivery and no call/),
        ]);
        expect(told).toMatch(/check-back: .* → COMMIT, from the row/);
        await expect.poll(() => processesWith(mark), { timeout: 15_000 }).toEqual([]);
      } finally {
        rmSync(cwd, { recursive: true, force: true });
        await database.drop();
      }
    },
    180_000,
  );
});
