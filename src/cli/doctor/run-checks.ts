import { messageOf } from '../../shared/error-message.ts';
import { withDeadline } from '../../shared/deadline.ts';
import { CannotLook, type Examination, type Finding, fail, skipped } from './finding.ts';

/** One thing to look at. Changes nothing that is there; what it throws counts as "could not be checked". */
export interface DoctorCheck<Patient> {
  readonly name: string;
  /** What it may take; whatever it says later is not heard. */
  readonly timeLimitMs: number;
  /** Should stop when `signal` aborts, which it does at the end of the time. */
  look(patient: Patient, signal: AbortSignal): Promise<readonly Finding[]>;
}

/**
 * Runs all checks side by side, each with its own limit; one that fails, hangs or throws stops no other. Findings come in
 * the order of the checks. Never rejects.
 */
export async function runChecks<Patient>(
  checks: readonly DoctorCheck<Patient>[],
  patient: Patient,
  masked: (text: string) => string = (text) => text,
): Promise<Examination[]> {
  const all = await Promise.all(
    checks.map(async (check) => {
      const startedAt = performance.now();
      const findings = await examine(check, patient);
      const tookMs = Math.round(performance.now() - startedAt);
      return findings.map((finding) => ({ check: check.name, tookMs, ...withoutSecrets(finding, masked) }));
    }),
  );
  return all.flat();
}

async function examine<Patient>(check: DoctorCheck<Patient>, patient: Patient): Promise<readonly Finding[]> {
  const stop = new AbortController();
  try {
    // Begun in a promise of its own, so that one that throws at once is treated like any other.
    const looking = Promise.resolve().then(() => check.look(patient, stop.signal));
    return await withDeadline(looking, check.timeLimitMs, () => new Error(`no answer within ${check.timeLimitMs} ms`));
  } catch (error) {
    if (error instanceof CannotLook) return [skipped(`not checked: ${error.message}`)];
    return [
      fail(`could not be checked: ${messageOf(error)}`, 'make sure that what is named here answers from this machine, then run this again'),
    ];
  } finally {
    stop.abort(new Error('the time of the check is over'));
  }
}

const withoutSecrets = (finding: Finding, masked: (text: string) => string): Finding => ({
  ...finding,
  says: masked(finding.says),
  ...(finding.advice === undefined ? {} : { advice: masked(finding.advice) }),
});

/** 1 when something failed, otherwise 0. */
export const exitCodeOf = (examinations: readonly Examination[]): 0 | 1 => (examinations.some(({ verdict }) => verdict === 'fail') ? 1 : 0);
