import { describe, expect, it } from 'vitest';
import { type CommittedRow, type DeliveredMessage, type Evidence, GRACE_MS, type Outcome, type Verdict, judge } from './judge.ts';

const row = (order: number, changes: Partial<CommittedRow> = {}): CommittedRow => ({
  orderId: `order-${order}`,
  attemptId: `order-${order}/1`,
  transactionId: `tx-${order}`,
  tags: ['placed'],
  ...changes,
});
const delivery = (order: number, changes: Partial<DeliveredMessage> = {}): DeliveredMessage => ({
  attemptId: `order-${order}/1`,
  transactionId: `tx-${order}`,
  tag: 'placed',
  ...changes,
});
const effect = (order: number, times = 1, tag = 'placed') => ({ orderId: `order-${order}`, tag, times });
const resolved = (order: number): [string, Outcome] => [`order-${order}/1`, { kind: 'resolved', transactionId: `tx-${order}` }];
const rejected = (order: number, code: string): [string, Outcome] => [`order-${order}/1`, { kind: 'rejected', code }];
const said = (order: number, resolution: 'COMMIT' | 'ROLLBACK' | 'UNKNOWN', changes: Partial<Evidence['words'][number]> = {}) => ({
  by: 'check' as const,
  transactionId: `tx-${order}`,
  resolution,
  ageMs: GRACE_MS,
  ...changes,
});

/** One order, committed, delivered and acted on, unless the changes say otherwise. */
const judged = (changes: Partial<Evidence> = {}): Verdict =>
  judge({
    outcomes: new Map([resolved(1)]),
    rows: [row(1)],
    deliveries: [delivery(1)],
    words: [],
    effects: [effect(1)],
    updates: { expected: 0, counted: 0 },
    crashes: [],
    isFinal: true,
    isSteady: false,
    ...changes,
  });
const broken = (changes: Partial<Evidence>): string[] => judged(changes).violations.map(({ invariant }) => invariant);

describe("The torture's judge", () => {
  it('finds nothing wrong with an order that committed, was delivered and had its effect', () => {
    expect(judged()).toMatchObject({
      committed: 1,
      rolledBack: 0,
      delivered: 1,
      messages: 1,
      duplicates: 0,
      lost: 0,
      ghost: 0,
      duplicateEffects: 0,
      lies: 0,
      violations: [],
    });
  });

  it('finds nothing wrong with an order that was rolled back, said so, and was never delivered', () => {
    const verdict = judged({
      outcomes: new Map([rejected(1, 'CB_LOCAL_TRANSACTION')]),
      rows: [],
      deliveries: [],
      effects: [],
      words: [said(1, 'ROLLBACK')],
    });
    expect(verdict).toMatchObject({ committed: 0, rolledBack: 1, checks: 1, violations: [] });
  });

  it('calls a committed row without a delivery lost', () => {
    expect(judged({ deliveries: [], effects: [] })).toMatchObject({
      lost: 1,
      delivered: 0,
      violations: [{ invariant: 'I2 no lost message', count: 1 }],
    });
  });

  it('calls a decision with two messages lost when one of them is missing', () => {
    const rows = [row(1, { tags: ['placed', 'billed'] })];
    expect(judged({ rows })).toMatchObject({ lost: 1, violations: [{ example: expect.stringContaining('billed') }] });
    const deliveries = [delivery(1), delivery(1, { tag: 'billed' })];
    expect(judged({ rows, deliveries, effects: [effect(1), effect(1, 1, 'billed')] })).toMatchObject({
      lost: 0,
      delivered: 1,
      messages: 2,
      violations: [],
    });
  });

  it('before the end, calls a row lost only when the broker was told ROLLBACK long enough ago', () => {
    const undelivered = { deliveries: [], effects: [], isFinal: false };
    expect(broken(undelivered)).toEqual([]);
    expect(broken({ ...undelivered, words: [said(1, 'ROLLBACK', { ageMs: GRACE_MS - 1 })] })).toEqual(['same answer for ever']);
    expect(broken({ ...undelivered, words: [said(1, 'ROLLBACK')] })).toEqual(['I2 no lost message', 'same answer for ever']);
    expect(broken({ ...undelivered, words: [said(1, 'ROLLBACK', { by: 'end' })] })).toContain('I2 no lost message');
  });

  it('calls a delivery without a row a ghost, also when another transaction wrote the row of its order', () => {
    expect(broken({ outcomes: new Map(), rows: [], effects: [] })).toEqual(['I1 no ghost']);
    const outcomes = new Map<string, Outcome>([rejected(1, 'CB_HALF_MESSAGE'), ['order-1/2', { kind: 'resolved', transactionId: 'tx-2' }]]);
    const rows = [row(1, { attemptId: 'order-1/2', transactionId: 'tx-2' })];
    const deliveries = [delivery(1), delivery(1, { attemptId: 'order-1/2', transactionId: 'tx-2' })];
    expect(judged({ outcomes, rows, deliveries, effects: [effect(1, 2)] })).toMatchObject({
      ghost: 1,
      duplicateEffects: 1,
      committed: 1,
      rolledBack: 0,
    });
  });

  it.each(['CB_LOCAL_TRANSACTION', 'CB_HALF_MESSAGE', 'CB_DATABASE_UNAVAILABLE'])('calls %s a lie when the row is there', (code) => {
    expect(judged({ outcomes: new Map([rejected(1, code)]) })).toMatchObject({
      lies: 1,
      violations: [{ invariant: 'I8 rejected as rolled back means never committed' }],
    });
  });

  it('takes either end for CB_TRANSACTION_IN_DOUBT and for a caller that was killed', () => {
    for (const outcome of [{ kind: 'rejected', code: 'CB_TRANSACTION_IN_DOUBT' }, { kind: 'unknown' }] as const) {
      const outcomes = new Map<string, Outcome>([['order-1/1', outcome]]);
      expect(broken({ outcomes })).toEqual([]);
      expect(broken({ outcomes, rows: [], deliveries: [], effects: [] })).toEqual([]);
    }
    expect(judged({ outcomes: new Map([rejected(1, 'CB_TRANSACTION_IN_DOUBT')]) })).toMatchObject({ inDoubt: 1 });
    expect(judged({ outcomes: new Map([['order-1/1', { kind: 'unknown' }]]) })).toMatchObject({ unknown: 1 });
  });

  it('calls a resolved publish() without its row a lie, and one whose row another transaction wrote', () => {
    expect(broken({ rows: [], deliveries: [], effects: [] })).toEqual(['I8 resolved means committed']);
    expect(broken({ rows: [row(1, { transactionId: 'tx-9' })], deliveries: [delivery(1, { transactionId: 'tx-9' })] })).toEqual([
      'I8 resolved means committed',
    ]);
  });

  it('calls a rejection that says neither "rolled back" nor "in doubt" a lie', () => {
    for (const rows of [[], [row(1)]]) {
      expect(broken({ outcomes: new Map([rejected(1, 'none')]), rows, deliveries: rows.length > 0 ? [delivery(1)] : [] })).toEqual([
        'I8 every rejection says what happened',
      ]);
    }
  });

  it('counts deliveries beyond the first as duplicates, which are no violation, and effects beyond the first, which are one', () => {
    expect(judged({ deliveries: [delivery(1), delivery(1), delivery(1)] })).toMatchObject({ delivered: 1, duplicates: 2, violations: [] });
    expect(judged({ effects: [effect(1, 3)] })).toMatchObject({
      duplicateEffects: 2,
      violations: [{ invariant: 'I3 one effect per order' }],
    });
    expect(broken({ effects: [] })).toEqual(['I3 one effect per order']);
  });

  it('catches an answer that the database does not bear out, either way, and lets UNKNOWN be', () => {
    expect(broken({ words: [said(1, 'ROLLBACK')] })).toEqual(['same answer for ever']);
    expect(broken({ words: [said(2, 'COMMIT')] })).toEqual(['same answer for ever']);
    expect(broken({ words: [said(1, 'UNKNOWN'), said(2, 'UNKNOWN'), said(1, 'COMMIT'), said(2, 'ROLLBACK')] })).toEqual([]);
  });

  it('catches rows of one transaction that did not commit together', () => {
    expect(broken({ updates: { expected: 3, counted: 4 } })).toEqual(['rows of one transaction commit together']);
  });

  it('catches producers that ended by themselves', () => {
    expect(broken({ crashes: ['producer-1 exited with code 1'] })).toEqual(['I5 no unhandled rejection, the process stays up']);
  });

  it('in the steady state takes neither a check-back nor a second delivery', () => {
    expect(judged({ isSteady: true, words: [said(1, 'COMMIT', { by: 'end' })] })).toMatchObject({ checks: 0, violations: [] });
    expect(broken({ isSteady: true, words: [said(1, 'COMMIT')] })).toEqual(['steady state asks nothing and repeats nothing']);
    expect(broken({ isSteady: true, deliveries: [delivery(1), delivery(1)] })).toEqual(['steady state asks nothing and repeats nothing']);
  });

  it('names the gravest violation first', () => {
    expect(broken({ crashes: ['x'], words: [said(1, 'ROLLBACK')], deliveries: [delivery(2)], effects: [] })).toEqual([
      'I1 no ghost',
      'I2 no lost message',
      'same answer for ever',
      'I5 no unhandled rejection, the process stays up',
    ]);
  });
});
