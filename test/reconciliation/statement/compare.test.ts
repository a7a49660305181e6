import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TheirFigures } from '../../../src/reconciliation/statement/break.ts';
import { compareReference, type OurRow } from '../../../src/reconciliation/statement/compare.ts';
import { DEFAULT_STATEMENT_POLICY } from '../../../src/reconciliation/statement/statement-policy.ts';

const line = (changes: Partial<TheirFigures> = {}): TheirFigures => ({
  line: 2,
  amountMinor: 100n,
  currency: 'EUR',
  status: 'SUCCESS',
  bookedAt: undefined,
  ...changes,
});
const row = (changes: Partial<OurRow> = {}): OurRow => ({
  amountMinor: 100n,
  currency: 'EUR',
  status: 'SUCCESS',
  isLate: false,
  ...changes,
});
const kinds = (lines: TheirFigures[], ours: OurRow | undefined, policy = {}): string[] =>
  compareReference('r', lines, ours, { ...DEFAULT_STATEMENT_POLICY, ...policy }).map(({ kind, occurrence }) => kind + (occurrence || ''));

describe('compareReference', () => {
  it('finds nothing where both say the same', () => {
    expect(kinds([line()], row())).toEqual([]);
    expect(kinds([line({ status: 'FAIL' })], row({ status: 'FAIL' }))).toEqual([]);
    expect(kinds([line({ status: 'PENDING' })], row({ status: 'UNKNOWN' }))).toEqual([]);
  });

  it('finds each kind', () => {
    expect(kinds([], row())).toEqual(['MISSING_THERE']);
    expect(kinds([line()], undefined)).toEqual(['MISSING_HERE']);
    expect(kinds([line({ amountMinor: 101n })], row())).toEqual(['AMOUNT_DIFFERS']);
    expect(kinds([line({ currency: 'USD' })], row())).toEqual(['AMOUNT_DIFFERS']);
    expect(kinds([line({ status: 'FAIL' })], row())).toEqual(['STATUS_DIFFERS']);
    expect(kinds([line()], row({ status: undefined }))).toEqual(['STATUS_DIFFERS']);
    expect(kinds([line(), line(), line()], row())).toEqual(['DUPLICATE_THERE1', 'DUPLICATE_THERE2']);
    expect(kinds([line({ amountMinor: 1n, status: 'FAIL' })], row())).toEqual(['AMOUNT_DIFFERS', 'STATUS_DIFFERS']);
    expect(kinds([line(), line()], undefined)).toEqual(['MISSING_HERE', 'DUPLICATE_THERE1']);
  });

  it('expects there only what the policy says', () => {
    expect(kinds([], row({ status: 'UNKNOWN' }))).toEqual(['MISSING_THERE']);
    expect(kinds([], row({ status: 'FAIL' }))).toEqual([]);
    expect(kinds([], row({ status: 'PENDING' }))).toEqual([]);
    expect(kinds([], row({ status: undefined }))).toEqual([]);
    expect(kinds([], row({ status: 'FAIL' }), { expected: ['FAIL'] })).toEqual(['MISSING_THERE']);
  });

  it('takes a difference within the tolerance of its currency for agreement', () => {
    const policy = { tolerances: { EUR: 2n, '*': 5n } };
    expect(kinds([line({ amountMinor: 102n })], row(), policy)).toEqual([]);
    expect(kinds([line({ amountMinor: 103n })], row(), policy)).toEqual(['AMOUNT_DIFFERS']);
    expect(kinds([line({ amountMinor: 95n, currency: 'USD' })], row({ currency: 'USD' }), policy)).toEqual([]);
  });

  it('takes the line that agrees for the row, wherever it stands', () => {
    const [duplicate] = compareReference('r', [line({ amountMinor: 5n, line: 2 }), line({ line: 9 })], row(), DEFAULT_STATEMENT_POLICY);
    expect(duplicate).toMatchObject({ kind: 'DUPLICATE_THERE', theirs: { amountMinor: 5n, line: 2 } });
  });

  it('does not depend on the order of the lines', () => {
    const lines = fc.array(
      fc.record({ amountMinor: fc.constantFrom(99n, 100n, 101n), status: fc.constantFrom('SUCCESS' as const, 'FAIL' as const) }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(lines, (made) => {
        const told = (of: typeof made): object[] =>
          compareReference(
            'r',
            of.map((one, at) => line({ ...one, line: at })),
            row(),
            DEFAULT_STATEMENT_POLICY,
          ).map(({ kind, occurrence, theirs }) => ({ kind, occurrence, amount: theirs?.amountMinor, status: theirs?.status }));
        expect(told(made.toReversed())).toEqual(told(made));
      }),
    );
  });
});
