import { describe, expect, it } from 'vitest';
import { CannotLook, fail, ok, warn } from '../../src/cli/doctor/finding.ts';
import { renderExaminations } from '../../src/cli/doctor/render-examinations.ts';
import { type DoctorCheck, exitCodeOf, runChecks } from '../../src/cli/doctor/run-checks.ts';

const check = (name: string, look: DoctorCheck<null>['look'], timeLimitMs = 60_000): DoctorCheck<null> => ({ name, timeLimitMs, look });

describe('The checks of the doctor', () => {
  it('are told in their order, whichever is done first', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow = check('slow', () => promise.then(() => [ok('done')]));
    const quick = check('quick', async () => {
      resolve();
      return [ok('done')];
    });
    expect((await runChecks([slow, quick], null)).map((examination) => examination.check)).toEqual(['slow', 'quick']);
  });

  it('do not stop one another, whether they throw at once, later, or hang', async () => {
    let isTold = false;
    const hangs = check(
      'hangs',
      (_, signal) => {
        signal.addEventListener('abort', () => (isTold = true));
        return new Promise(() => {});
      },
      20,
    );
    const throwsAtOnce = check('throws', () => {
      throw new Error('at once');
    });
    const rejects = check('rejects', () => Promise.reject(new Error('later')));
    const found = await runChecks([hangs, throwsAtOnce, rejects, check('works', async () => [ok('fine')])], null);
    expect(found.map(({ verdict, says }) => [verdict, says])).toEqual([
      ['fail', 'could not be checked: no answer within 20 ms'],
      ['fail', 'could not be checked: at once'],
      ['fail', 'could not be checked: later'],
      ['ok', 'fine'],
    ]);
    expect(isTold).toBe(true);
  });

  it('are skipped, not failed, when what they need is missing', async () => {
    const blind = check('blind', () => Promise.reject(new CannotLook('the database cannot be opened')));
    const found = await runChecks([blind], null);
    expect(found).toMatchObject([{ verdict: 'skipped', says: 'not checked: the database cannot be opened' }]);
    expect(exitCodeOf(found)).toBe(0);
  });

  it('make the exit code 1 when one failed, and 0 for warnings', async () => {
    const warned = check('warned', async () => [warn('nearly full', 'make room')]);
    const failed = check('failed', async () => [fail('full', 'make room')]);
    expect(exitCodeOf(await runChecks([warned], null))).toBe(0);
    expect(exitCodeOf(await runChecks([warned, failed], null))).toBe(1);
  });

  it('say nothing before it went through the masks, advice and errors included', async () => {
    const masked = (text: string): string => text.replaceAll('hunter2', '***');
    const leaky = check('leaky', async () => [warn('hunter2 is a password', 'replace hunter2')]);
    const throwing = check('throwing', () => Promise.reject(new Error('access denied with hunter2')));
    expect(JSON.stringify(await runChecks([leaky, throwing], null, masked))).not.toContain('hunter2');
  });

  it('are shown as a table with what to do below each finding, and a summary', async () => {
    const findings = [ok('fine', 'orders'), fail('missing \u001b[2J', 'create it', 'payments')];
    const shown = renderExaminations(await runChecks([check('topics', async () => findings)], null));
    // oxlint-disable-next-line no-control-regex -- the colours are what is taken out
    const plain = shown.replaceAll(/\u001b\[\d+m/g, '');
    expect(plain).toMatch(/^ok +topics: orders +fine$/m);
    expect(plain).toMatch(/^fail +topics: payments +missing \ufffd\[2J$/m);
    expect(plain).toMatch(/^ +→ create it$/m);
    expect(plain).toMatch(/1 ok, 0 to look at, 1 failed, 0 not checked\n$/);
  });
});
