import type { CallStatus } from '../../gateway/call-status.ts';
import type { FoundBreak, OurFigures, TheirFigures } from './break.ts';
import type { TheirStatus } from './define-statement.ts';
import type { StatementPolicy } from './statement-policy.ts';

export type ComparePolicy = Pick<StatementPolicy, 'tolerances' | 'expected'>;

/** A row of ours as it is compared. */
export interface OurRow extends OurFigures {
  readonly isLate: boolean;
}

/**
 * All differences of one reference: its lines in the statement, however they are ordered there, and our row. Pure; the
 * same lines and row always give the same breaks. Of several lines the one that agrees with our row is taken for it.
 */
export const compareReference = (
  reference: string,
  lines: readonly TheirFigures[],
  ours: OurRow | undefined,
  policy: ComparePolicy,
): FoundBreak[] => {
  const found = (
    kind: FoundBreak['kind'],
    theirs: TheirFigures | undefined,
    { occurrence = 0, isLate = false }: { occurrence?: number; isLate?: boolean } = {},
  ): FoundBreak => ({ kind, reference, occurrence, theirs, ours: ours && figuresOf(ours), isLate });
  if (lines.length === 0) {
    const isExpected = ours?.status !== undefined && policy.expected.includes(ours.status);
    return isExpected ? [found('MISSING_THERE', undefined, { isLate: ours.isLate })] : [];
  }
  const [first, ...others] = lines.length === 1 ? lines : ordered(lines, ours, policy);
  const breaks: FoundBreak[] = [];
  if (ours === undefined) breaks.push(found('MISSING_HERE', first));
  else {
    if (!amountsAgree(first!, ours, policy)) breaks.push(found('AMOUNT_DIFFERS', first));
    if (!statusesAgree(first!.status, ours.status)) breaks.push(found('STATUS_DIFFERS', first));
  }
  others.forEach((line, place) => breaks.push(found('DUPLICATE_THERE', line, { occurrence: place + 1 })));
  return breaks;
};

/** Whether a line and a row say the same. */
export const agrees = (theirs: TheirFigures, ours: OurFigures, policy: ComparePolicy): boolean =>
  amountsAgree(theirs, ours, policy) && statusesAgree(theirs.status, ours.status);

const figuresOf = ({ amountMinor, currency, status }: OurFigures): OurFigures => ({ amountMinor, currency, status });

function amountsAgree(theirs: TheirFigures, ours: OurFigures, { tolerances }: ComparePolicy): boolean {
  if (theirs.currency !== ours.currency) return false;
  const difference = theirs.amountMinor - ours.amountMinor;
  if (difference === 0n) return true;
  return (difference < 0n ? -difference : difference) <= (tolerances[ours.currency] ?? tolerances['*'] ?? 0n);
}

function statusesAgree(theirs: TheirStatus, ours: CallStatus | undefined): boolean {
  // What has not ended there need not have ended here.
  if (theirs === 'PENDING') return ours === 'PENDING' || ours === 'UNKNOWN';
  return theirs === ours;
}

/** Who comes first must not depend on the order of the file, or a reordered file would have other breaks. */
function ordered(lines: readonly TheirFigures[], ours: OurFigures | undefined, policy: ComparePolicy): TheirFigures[] {
  const rank = (line: TheirFigures): number =>
    ours === undefined || agrees(line, ours, policy) ? 0 : amountsAgree(line, ours, policy) ? 1 : 2;
  return [...lines].sort(
    (a, b) =>
      rank(a) - rank(b) ||
      Number(a.amountMinor - b.amountMinor > 0n) - Number(a.amountMinor - b.amountMinor < 0n) ||
      compareTexts(a.currency, b.currency) ||
      compareTexts(a.status, b.status) ||
      (a.bookedAt?.getTime() ?? 0) - (b.bookedAt?.getTime() ?? 0) ||
      a.line - b.line,
  );
}

export const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
