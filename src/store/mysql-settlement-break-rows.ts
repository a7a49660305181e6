import type { FoundBreak, StatementBreak } from '../reconciliation/statement/break.ts';
import type { BreakStanding, DecidedThrough } from '../reconciliation/statement/break-state.ts';
import type { BreakFilter } from '../reconciliation/statement/statement-store.ts';
import type { Bind } from './statements.ts';
import { utcDate } from './utc-date.ts';

/** A break as `breakOf` reads it. */
export const BREAK_COLUMNS = `id, statement, call_name, day, reference, kind, occurrence, their_line,
  cast(their_amount_minor as char) as their_amount_minor, their_currency, their_status, their_booked_at,
  cast(our_amount_minor as char) as our_amount_minor, our_currency, our_status,
  state, is_late, decided_through, decided_by, decided_at, decision_reason, found_at`;

type Row = Readonly<Record<string, unknown>>;

export const breakOf = (row: Row): StatementBreak => ({
  id: Number(row['id']),
  statement: String(row['statement']),
  callName: String(row['call_name']),
  day: String(row['day']),
  reference: String(row['reference']),
  kind: row['kind'] as StatementBreak['kind'],
  occurrence: Number(row['occurrence']),
  theirs:
    row['their_amount_minor'] === null
      ? undefined
      : {
          line: Number(row['their_line']),
          amountMinor: BigInt(row['their_amount_minor'] as string),
          currency: String(row['their_currency']),
          status: row['their_status'] as NonNullable<StatementBreak['theirs']>['status'],
          bookedAt: row['their_booked_at'] === null ? undefined : utcDate(row['their_booked_at']),
        },
  ours:
    row['our_amount_minor'] === null
      ? undefined
      : {
          amountMinor: BigInt(row['our_amount_minor'] as string),
          currency: String(row['our_currency']),
          status: (row['our_status'] as NonNullable<StatementBreak['ours']>['status'] | null) ?? undefined,
        },
  standing: standingOf(row),
  foundAt: utcDate(row['found_at']),
});

const standingOf = (row: Row): BreakStanding =>
  row['state'] === 'OPEN'
    ? { state: 'OPEN', isLate: Number(row['is_late']) === 1 }
    : {
        state: row['state'] as 'RESOLVED' | 'ACCEPTED',
        through: row['decided_through'] as DecidedThrough,
        by: String(row['decided_by']),
        at: utcDate(row['decided_at']),
        why: String(row['decision_reason']),
      };

/** The columns of what was found, in the order of `figuresOf`. */
export const FIGURES = [
  'their_line',
  'their_amount_minor',
  'their_currency',
  'their_status',
  'their_booked_at',
  'our_amount_minor',
  'our_currency',
  'our_status',
] as const;

export const figuresOf = ({ theirs, ours }: Pick<FoundBreak, 'theirs' | 'ours'>): Bind[] => [
  theirs?.line ?? null,
  theirs === undefined ? null : String(theirs.amountMinor),
  theirs?.currency ?? null,
  theirs?.status ?? null,
  theirs?.bookedAt ?? null,
  ours === undefined ? null : String(ours.amountMinor),
  ours?.currency ?? null,
  ours?.status ?? null,
];

/** Whether two findings are about the same figures; where the line stands in its file does not count. */
export const isSameFinding = (a: Pick<FoundBreak, 'theirs' | 'ours'>, b: Pick<FoundBreak, 'theirs' | 'ours'>): boolean => {
  const [, ...as] = figuresOf(a).map(String);
  const [, ...bs] = figuresOf(b).map(String);
  return as.join('\t') === bs.join('\t');
};

/** ` and column = ?` for each filter that is given. */
export const conditionOf = (filter: BreakFilter): { readonly where: string; readonly binds: readonly Bind[] } => {
  const { statement, day, kind, state, reference, run } = filter;
  const given = Object.entries({ statement, day, kind, state, reference, last_run: run }).filter(([, value]) => value !== undefined);
  return { where: given.map(([column]) => ` and ${column} = ?`).join(''), binds: given.map(([, value]) => value as Bind) };
};

export const marks = (of: readonly unknown[]): string => of.map(() => '?').join(', ');
