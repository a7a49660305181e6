import { styleText } from 'node:util';
import { printable } from '../print.ts';
import type { Examination, Verdict } from './finding.ts';

const COLOUR = { ok: 'green', warn: 'yellow', fail: 'red', skipped: 'gray' } as const satisfies Record<Verdict, string>;

/** A table for a person: verdict, check, what was found, and below it what to do. */
export function renderExaminations(examinations: readonly Examination[]): string {
  const name = ({ check, about }: Examination): string => printable(about === undefined ? check : `${check}: ${about}`);
  const width = Math.max(...examinations.map((examination) => name(examination).length));
  const lines = examinations.flatMap((examination) => {
    const { verdict, says, advice } = examination;
    const head = `${styleText(COLOUR[verdict], verdict.padEnd(7))}  ${name(examination).padEnd(width)}  ${printable(says)}`;
    return advice === undefined ? [head] : [head, `${' '.repeat(9 + width)}  → ${printable(advice)}`];
  });
  return `${[...lines, '', summary(examinations)].join('\n')}\n`;
}

export function summary(examinations: readonly Examination[]): string {
  const count = (verdict: Verdict): number => examinations.filter((examination) => examination.verdict === verdict).length;
  return `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed, ${count('skipped')} not checked`;
}
