import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { expect } from 'vitest';
import { processesWith } from './marked-processes.ts';
import { startProcess } from './publishing-processes.ts';

/** Runs `checkback demo` in a folder of its own: its four stories end well, with exit code 0, and no process stays. Gives what it told, and the folder to `look` into. */
export async function runDemoCommand(
  args: readonly string[],
  more: Readonly<Record<string, string | undefined>> = {},
  look: (folder: string) => void = () => {},
): Promise<string> {
  const cwd = mkdtempSync(join(tmpdir(), 'checkback-demo-'));
  const mark = randomUUID();
  try {
    await using demo = startProcess('src/cli/main.ts', ['demo', ...args], {
      env: { ...process.env, ...more, CHECKBACK_TEST_MARK: mark },
      cwd,
    });
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
    look(cwd);
    return told;
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}
