import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { segmentedLogCommand } from '../../src/cli/commands/segmented-log.ts';
import { loggedMessage, logIn, newDirectory, segmentNames, tagsIn } from './support/directories.ts';

interface Ended {
  /** What the command threw. */
  readonly failure: unknown;
  readonly stdout: string;
}

const run = async (...args: string[]): Promise<Ended> => {
  let stdout = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  try {
    const failure: unknown = await segmentedLogCommand()
      .parseAsync(args, { from: 'user' })
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    return { failure, stdout };
  } finally {
    write.mockRestore();
  }
};

async function filled(directory: string): Promise<void> {
  const log = logIn(directory);
  await log.start();
  for (const tag of ['m1', 'm2', 'm3']) await log.append([loggedMessage(tag, 'k', Buffer.from('secret body'))]);
  const side = await log.openDrainSide();
  await side.park(1, loggedMessage('m1', 'k', Buffer.from('secret body')), 'too large\u001b[2J');
  side.progress.confirm(1);
  await side.store();
  await side.release();
  await log.close();
}

describe('checkback segmented-log', () => {
  it('shows what waits and what is parked, without bodies, and changes nothing', async () => {
    const directory = newDirectory();
    await filled(directory);
    const shown = await run('show', directory);
    expect(shown).toMatchObject({ failure: undefined });
    expect(shown.stdout).toContain(`${directory}: 2 messages wait, drained to 2`);
    expect(shown.stdout).toMatch(/parked 1 .* orders {2}k {2}too large\ufffd\[2J/);
    const asJson = await run('show', directory, '--json');
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      waiting: 2,
      isSound: true,
      parked: [{ number: 1, reason: 'too large\u001b[2J', tag: 'm1' }],
    });
    expect(shown.stdout + asJson.stdout).not.toContain('secret body');
  });

  it('says what is damaged', async () => {
    const directory = newDirectory();
    await filled(directory);
    const path = join(directory, segmentNames(directory)[0]!);
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    writeFileSync(path, bytes);
    const { stdout } = await run('show', directory);
    expect(stdout).toMatch(/DAMAGED {2}bytes \d+ to \d+, records 2 to 2/);
    expect(stdout).toContain('It does not open as it is');
  });

  it('appends a parked message again, and refuses what is not parked and a log that is in use', async () => {
    const directory = newDirectory();
    await filled(directory);
    expect(await run('resend', directory, '7')).toMatchObject({
      failure: { code: 'CB_CONFIGURATION', message: expect.stringContaining('message 7 is not parked') as string },
    });
    expect(await run('resend', directory, '1')).toMatchObject({ failure: undefined, stdout: '1 is appended again\n' });
    const log = logIn(directory);
    await log.start();
    expect(log.stats()).toMatchObject({ waiting: 3, parked: 0 });
    expect(await tagsIn(log)).toEqual(['m2', 'm3', 'm1']);
    expect(await run('resend', directory, '1')).toMatchObject({
      failure: { code: 'CB_CONFIGURATION', message: expect.stringContaining('is in use by another process') as string },
    });
  });

  it('refuses a directory that is not there, and makes none', async () => {
    const directory = newDirectory();
    for (const command of [
      ['show', directory],
      ['resend', directory, '1'],
    ])
      expect(await run(...command)).toMatchObject({
        failure: { code: 'CB_CONFIGURATION', message: expect.stringContaining(directory) as string },
      });
    expect(() => segmentNames(directory)).toThrow('ENOENT');
  });
});
