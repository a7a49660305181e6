import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { instant } from '../../src/cli/instant.ts';
import { bodyText } from '../../src/cli/commands/dlq-print.ts';
import { select } from '../../src/cli/commands/dlq-selection.ts';
import { confirm } from '../../src/cli/confirm.ts';
import { printable } from '../../src/cli/print.ts';
import { InMemoryDeadLetterStore } from '../dead-letter/support/in-memory-dead-letter-store.ts';
import { runDlq } from './support/run-dlq.ts';

describe('checkback dlq', () => {
  it('teaches its use, its states and its exit codes', async () => {
    const { code, stdout } = await runDlq(['--help']);
    expect(code).toBe(0);
    for (const command of ['list', 'show', 'replay', 'discard', 'resolve']) expect(stdout).toContain(`  ${command} `);
    expect(stdout).toMatch(/Exit codes: 0 everything was done, 1 something failed or was refused, 2 wrong usage/);
  });

  it.each([
    ['a state that does not exist', ['list', '--state', 'DEAD'], /Allowed choices are OPEN, REPLAYING/],
    ['a reason that does not exist', ['list', '--reason', 'BOREDOM'], /Allowed choices are POISON/],
    ['a time that is none', ['list', '--since', 'yesterday'], /must be a time such as/],
    ['a number that is none', ['show', 'x'], /must be a whole number/],
    ['a rate of nothing', ['replay', '--rate', '0'], /number above 0/],
    ['a discard without a reason', ['discard', '1'], /required option '--reason <why>'/],
    ['a resolve without a reason', ['resolve', '1'], /required option '--reason <why>'/],
  ])('ends with 2 at %s', async (_what, args, complaint) => {
    const { code, stderr } = await runDlq(args);
    expect(stderr).toMatch(complaint);
    expect(code).toBe(2);
  });
});

describe('Before dead letters are decided about', () => {
  const answered = (answer: string, isTTY = true) => {
    const input = Object.assign(new PassThrough(), { isTTY });
    const output = new PassThrough();
    let asked = '';
    output.setEncoding('utf8').on('data', (text: string) => (asked += text));
    input.end(`${answer}\n`);
    return confirm('replay 3 dead letters?', undefined, input, output).then((isConfirmed) => ({ isConfirmed, asked }));
  };

  it.each([
    ['y', true],
    ['YES', true],
    ['', false],
    ['n', false],
    ['yesterday', false],
  ])('a person at a terminal is asked, and "%s" means %s', async (answer, isConfirmed) => {
    expect(await answered(answer)).toMatchObject({ isConfirmed, asked: expect.stringContaining('replay 3 dead letters? [y/N] ') });
  });

  it('nobody is asked with --yes, and without a terminal it is needed', async () => {
    expect(await confirm('?', true)).toBe(true);
    await expect(answered('y', false)).rejects.toMatchObject({ code: 'CB_CONFIGURATION', message: expect.stringContaining('--yes') });
  });

  it('they are named by number or by filter', async () => {
    const store = new InMemoryDeadLetterStore();
    await expect(select(store, [], { limit: 1 })).rejects.toMatchObject({ code: 'CB_CONFIGURATION' });
    await expect(select(store, [1], { limit: 1, topic: 'orders' })).rejects.toMatchObject({ code: 'CB_CONFIGURATION' });
    await expect(select(store, [1, 1], { limit: 1 })).rejects.toThrow('there is no dead letter 1');
    expect(await select(store, [], { limit: 1, all: true })).toEqual([]);
  });
});

describe('A time on the command line', () => {
  const zone = process.env['TZ'];
  beforeAll(() => void (process.env['TZ'] = 'America/New_York'));
  afterAll(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });

  it.each([
    ['2026-01-31', '2026-01-31T00:00:00.000Z'],
    ['2026-01-31T08:00', '2026-01-31T08:00:00.000Z'],
    ['2026-01-31 08:00:01.5', '2026-01-31T08:00:01.500Z'],
    ['2026-01-31T08:00:00+02:00', '2026-01-31T06:00:00.000Z'],
  ])('%s is UTC where it names no zone', (text, iso) => {
    expect(instant(text).toISOString()).toBe(iso);
  });

  it.each(['', '2026', '31.1.2026', '2026-13-01', '2026-01-31T25:00'])('is never %j', (text) => {
    expect(() => instant(text)).toThrow('must be a time');
  });
});

describe('What came from outside', () => {
  it('moves no cursor and turns no text round', () => {
    expect(printable('a\u001b[2Jb\nc\u202ed')).toBe('a\u{fffd}[2Jb\u{fffd}c\u{fffd}d');
  });

  it('is text where it is some, and base64 where it is not', () => {
    expect(bodyText(Buffer.from('{\n"a": "ü"}'))).toEqual({ encoding: 'utf8', text: '{\n"a": "ü"}' });
    expect(bodyText(Buffer.from([0xff]))).toEqual({ encoding: 'base64', text: '/w==' });
    expect(bodyText(Buffer.from('a\u001b[2J')).encoding).toBe('base64');
  });
});
