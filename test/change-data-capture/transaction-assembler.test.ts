import { describe, expect, it } from 'vitest';
import { controlOf, type LogEvent } from '../../src/change-data-capture/log-event.ts';
import { TransactionAssembler } from '../../src/change-data-capture/transaction-assembler.ts';
import { CaptureStoppedError } from '../../src/errors.ts';
import { ending, pointAt, rowsOf } from './support/logged.ts';

const begin: LogEvent = { kind: 'begin' };
/** Ends and rows of what was committed. */
const through = (events: readonly LogEvent[], maxRows = 100): string[] => {
  const assembler = new TransactionAssembler(maxRows);
  return events.flatMap((event) => {
    const transaction = assembler.take(event);
    if (transaction === undefined) return [];
    return [`${transaction.end.position}: ${transaction.changes.map(({ after }) => String(after['id'])).join(' ')}`];
  });
};

describe('TransactionAssembler', () => {
  it('gives the rows of a transaction with its COMMIT, and none before', () => {
    expect(through([begin, rowsOf('a'), rowsOf('b', 'c')])).toEqual([]);
    expect(through([begin, rowsOf('a'), rowsOf('b', 'c'), ending('commit', 10), begin, rowsOf('d'), ending('commit', 20)])).toEqual([
      '10: a b c',
      '20: d',
    ]);
  });

  it('gives no rows of what was rolled back, as a whole or to a savepoint, and moves on behind it', () => {
    expect(through([begin, rowsOf('a'), ending('rollback', 10)])).toEqual(['10: ']);
    const savepoint: LogEvent = { kind: 'savepoint', name: 'Here' };
    const back: LogEvent = { kind: 'rollback-to', name: 'here' };
    expect(through([begin, rowsOf('a'), savepoint, rowsOf('b'), back, rowsOf('c'), ending('commit', 10)])).toEqual(['10: a c']);
    expect(through([begin, rowsOf('a'), savepoint, back, savepoint, rowsOf('b'), back, ending('commit', 10)])).toEqual(['10: a']);
  });

  it('moves on behind statements by themselves, and waits for the COMMIT of those at the head of a transaction', () => {
    const statement: LogEvent = { kind: 'statement', text: 'create table x (id int)', end: pointAt(5), at: 0 };
    expect(through([statement])).toEqual(['5: ']);
    expect(through([begin, statement, rowsOf('a'), ending('commit', 10)])).toEqual(['10: a']);
  });

  it('knows transactions that only write a position down', () => {
    const assembler = new TransactionAssembler(10);
    const kinds = (events: readonly LogEvent[]): unknown => events.map((event) => assembler.take(event)).at(-1)?.isBookkeeping;
    expect(kinds([begin, { kind: 'bookkeeping' }, ending('commit', 1)])).toBe(true);
    expect(kinds([begin, { kind: 'bookkeeping' }, { kind: 'others' }, ending('commit', 2)])).toBe(false);
    expect(kinds([begin, { kind: 'bookkeeping' }, rowsOf('a'), ending('commit', 3)])).toBe(false);
    expect(kinds([begin, ending('commit', 4)])).toBe(false);
  });

  it.each([
    ['XA with rows that are messages', [begin, rowsOf('a'), ending('prepare', 1)], 'XA'],
    ['rows before the beginning of their transaction', [rowsOf('a')], 'not between two transactions'],
    ['more rows than memory is for', [begin, rowsOf('a', 'b'), rowsOf('c', 'd')], 'maxTransactionRows'],
  ] as const)('stops at %s', (_, events, said) => {
    expect(() => through(events, 3)).toThrow(CaptureStoppedError);
    expect(() => through(events, 3)).toThrow(said);
  });

  it('moves on behind XA transactions of others', () => {
    expect(through([begin, ending('prepare', 7)])).toEqual(['7: ']);
  });
});

describe('What a statement does to its transaction', () => {
  it.each([
    ['BEGIN', { kind: 'begin' }],
    ["XA START X'61',X'',1", { kind: 'begin' }],
    ['CREATE TABLE `t` (`a` int) START TRANSACTION', { kind: 'begin' }],
    ['COMMIT', { kind: 'commit' }],
    ["XA COMMIT X'61',X'',1", { kind: 'commit' }],
    ['ROLLBACK', { kind: 'rollback' }],
    ["XA ROLLBACK X'61'", { kind: 'rollback' }],
    ['SAVEPOINT `half way`', { kind: 'savepoint', name: 'half way' }],
    ['ROLLBACK TO `half way`', { kind: 'rollback-to', name: 'half way' }],
    ['rollback to savepoint a', { kind: 'rollback-to', name: 'a' }],
    ['alter table orders add column commit int', undefined],
    ['create table rollback (id int)', undefined],
  ])('%s', (text, control) => {
    expect(controlOf(text)).toEqual(control);
  });
});
