import { describe, expect, it } from 'vitest';
import { ATTEMPT_MS, CLOCK_STEP_MS, type WorkerEvidence, type WorkerVerdict, judgeWorkers } from './judge-workers.ts';

const T = 1_000_000;
const charged = (changes: Partial<WorkerEvidence['orders'][number]> = {}) => ({ orderId: 'order-1', paid: 1, refused: 0, ...changes });
const call = (status: WorkerEvidence['calls'][number]['status'], key = 'order-1') => ({ key, status });
const attempt = (openedAt = T, changes: Partial<WorkerEvidence['attempts'][number]> = {}) => ({
  call: 'charge',
  key: 'order-1',
  openedAt,
  hasSnapshot: true,
  ...changes,
});
const request = (at = T + 1, changes: Partial<WorkerEvidence['requests'][number]> = {}) => ({
  call: 'charge',
  key: 'order-1',
  at,
  ...changes,
});

/** One order, charged at the first attempt, unless the changes say otherwise. */
const judged = (changes: Partial<WorkerEvidence> = {}): WorkerVerdict =>
  judgeWorkers({
    orders: [charged()],
    calls: [call('SUCCESS')],
    attempts: [attempt()],
    checks: new Map(),
    deadLetters: new Set(),
    requests: [request()],
    effects: new Map([['order-1', 1]]),
    strikes: [],
    isFinal: true,
    isSteady: false,
    ...changes,
  });
const broken = (changes: Partial<WorkerEvidence>): string[] => judged(changes).violations.map(({ invariant }) => invariant);

/** The bank refused: nothing taken, the row says FAIL, `onFail` ran. */
const refused = { orders: [charged({ paid: 0, refused: 1 })], calls: [call('FAIL')], effects: new Map<string, number>() };
const unknown = { orders: [charged({ paid: 0 })], calls: [call('UNKNOWN')] };
const NO_END = 'every call comes to an end or to a person';
const UNAUDITED = 'I4 no request without its record';

describe("The torture's judge of workers", () => {
  it('finds nothing wrong with an order that was charged once and says so', () => {
    expect(judged()).toEqual({
      calls: 1,
      callsSuccess: 1,
      callsFail: 0,
      callsUnknown: 0,
      attempts: 1,
      unaudited: 0,
      doubledEffects: 0,
      deadLetters: 0,
      unclosedAttempts: 0,
      statusQuestions: 0,
      unfinished: 0,
      violations: [],
    });
  });

  it('finds nothing wrong with an order that the bank refused', () => {
    expect(judged(refused)).toMatchObject({ callsFail: 1, unfinished: 0, violations: [] });
  });

  it('counts payments of an order beyond the first, under one key or under several', () => {
    expect(judged({ effects: new Map([['order-1', 3]]) })).toMatchObject({
      doubledEffects: 2,
      violations: [{ invariant: 'I3 one payment per order at the bank', count: 1 }],
    });
    const effects = new Map([
      ['order-1', 1],
      ['order-1.retry', 1],
    ]);
    expect(judged({ effects })).toMatchObject({ doubledEffects: 1, violations: [{ example: expect.stringContaining('order-1.retry') }] });
    expect(
      judged({
        effects: new Map([
          ['order-1', 1],
          ['order-11', 1],
        ]),
      }),
    ).toMatchObject({ doubledEffects: 0 });
  });

  it('wants a record from before each request, and as many of them as requests', () => {
    expect(judged({ attempts: [] })).toMatchObject({ unaudited: 1, violations: [{ invariant: UNAUDITED }] });
    expect(judged({ requests: [request(), request(T + 500)] })).toMatchObject({ unaudited: 1 });
    expect(judged({ requests: [request(T - CLOCK_STEP_MS)] }).unaudited).toBe(0);
    expect(judged({ requests: [request(T - CLOCK_STEP_MS - 1)] }).unaudited).toBe(1);
    // One record is too few for two requests, although another one follows.
    expect(judged({ requests: [request(), request(T + 2)], attempts: [attempt(), attempt(T + 5_000)] }).unaudited).toBe(1);
  });

  it('wants it for each call and key by themselves, also before the end', () => {
    const question = { call: 'charge.status', key: 'order-1#1' };
    expect(broken({ requests: [request(), request(T, question)], attempts: [attempt(), attempt()], isFinal: false })).toEqual([UNAUDITED]);
    expect(judged({ requests: [request(), request(T, question)], attempts: [attempt(), attempt(T, question)] })).toMatchObject({
      unaudited: 0,
      attempts: 1,
      statusQuestions: 1,
    });
  });

  it('takes records without a request: the connection may have failed', () => {
    expect(broken({ attempts: [attempt(), attempt(), attempt()] })).toEqual([]);
  });

  it('takes an attempt without an answer where something was struck, and nowhere else', () => {
    const attempts = [attempt(T, { hasSnapshot: false })];
    const name = ['I4 every attempt is closed by who lives'];
    expect(judged({ attempts })).toMatchObject({ unclosedAttempts: 1 });
    expect(broken({ attempts })).toEqual(name);
    expect(broken({ attempts, isFinal: false })).toEqual([]);
    expect(broken({ attempts, strikes: [{ from: T + ATTEMPT_MS, to: T + ATTEMPT_MS }] })).toEqual([]);
    expect(broken({ attempts, strikes: [{ from: T - 5_000, to: T }] })).toEqual([]);
    expect(broken({ attempts, strikes: [{ from: T - 5_000, to: T - 1 }] })).toEqual(name);
    expect(broken({ attempts, strikes: [{ from: T + ATTEMPT_MS + 1, to: Number.POSITIVE_INFINITY }] })).toEqual(name);
  });

  it('wants row and bank to agree, either way', () => {
    const name = ['the row says what the bank did'];
    expect(broken({ ...refused, effects: new Map([['order-1', 1]]) })).toEqual(name);
    expect(broken({ ...refused, effects: new Map([['order-1', 1]]), isFinal: false })).toEqual(name);
    expect(broken({ effects: new Map() })).toEqual(name);
    // The bank was looked at first.
    expect(broken({ effects: new Map(), isFinal: false })).toEqual([]);
  });

  it('wants an end applied once, and only the end that the row says', () => {
    const name = ['an end is applied once'];
    expect(broken({ orders: [charged({ paid: 0 })] })).toEqual(name);
    expect(broken({ orders: [charged({ paid: 2 })] })).toEqual(name);
    expect(broken({ orders: [charged({ refused: 1 })] })).toContain(name[0]);
    expect(broken({ ...refused, orders: [charged({ paid: 0 })] })).toEqual(name);
    expect(broken({ ...unknown, orders: [charged()], checks: new Map([['order-1', 'DUE']]) })).toEqual(name);
    expect(broken({ orders: [charged({ paid: 2 })], isFinal: false })).toEqual(name);
  });

  it('takes UNKNOWN with a status check that is due or with a person, and no other open end', () => {
    for (const state of ['DUE', 'RETRY', 'REVIEW']) {
      expect(judged({ ...unknown, checks: new Map([['order-1', state]]) })).toMatchObject({
        callsUnknown: 1,
        unfinished: 1,
        violations: [],
      });
    }
    expect(broken(unknown)).toEqual([NO_END]);
    expect(broken({ ...unknown, checks: new Map([['order-1', 'DONE']]) })).toEqual([NO_END]);
    expect(broken({ ...unknown, calls: [call('PENDING')] })).toEqual([NO_END]);
    expect(broken({ ...unknown, isFinal: false })).toEqual([]);
  });

  it('takes a dead letter for a call that has no end, or was never made', () => {
    const deadLetters = new Set(['order-1']);
    expect(judged({ ...unknown, calls: [call('PENDING')], deadLetters })).toMatchObject({ deadLetters: 1, unfinished: 0, violations: [] });
    const nothing = { orders: [charged({ paid: 0 })], calls: [], attempts: [], requests: [], effects: new Map<string, number>() };
    expect(broken({ ...nothing, deadLetters })).toEqual([]);
    expect(broken(nothing)).toEqual(['I2 no lost message']);
    expect(judged({ ...nothing, isFinal: false })).toMatchObject({ unfinished: 1, violations: [] });
  });

  it('in the steady state takes one attempt an order and no question', () => {
    const name = ['steady state asks nothing and repeats nothing'];
    expect(broken({ isSteady: true })).toEqual([]);
    expect(broken({ isSteady: true, attempts: [attempt(), attempt()] })).toEqual(name);
    const question = { call: 'charge.status', key: 'order-1#1' };
    expect(broken({ isSteady: true, requests: [request(), request(T, question)], attempts: [attempt(), attempt(T, question)] })).toEqual(
      name,
    );
  });
});
