import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { link } from '../../src/cli/ops/html.ts';
import type { OpsActions } from '../../src/cli/ops/ops-backend.ts';
import { statementsOn } from '../../src/store/statements.ts';
import { charge } from '../dead-letter/support/messages.ts';
import { insert, insertOrder, NOW, type OrderFixture } from './support/ops-fixture.ts';
import { openOpsHome, type OpsHome, Visit } from './support/ops-home.ts';

describe('Actions on the ops page', () => {
  let home: OpsHome;
  let order: OrderFixture;
  let visit: Visit;
  let orders = 0;
  const replays: Parameters<OpsActions['replay']>[] = [];

  beforeAll(async () => {
    home = await openOpsHome({
      config: { messageListeners: [charge()] },
      // What a replay sends is another test's; here is how it is asked for.
      change: (backend) => ({
        ...backend,
        actions: {
          ...backend.actions,
          replay: async (...asked) => {
            replays.push(asked);
            return { isDone: true, text: 'replayed to orders' };
          },
        },
      }),
    });
    visit = new Visit(home.url);
  });
  afterAll(() => home.close());
  beforeEach(async () => {
    order = await insertOrder(home.orm, `a${(orders += 1)}`);
    replays.length = 0;
  });

  const rows = (sql: string, ...binds: (string | number)[]) => statementsOn(home.orm.em.getConnection()).rows(sql, binds);
  const letterPage = (): string => `/dead-letters/letter?id=${order.letterId}`;
  const breakPage = (): string => `/breaks/break?id=${order.breakId}`;
  const sagaPage = (): string => link('/sagas/saga', { id: order.sagaId });

  it('discard and resolve dead letters, with who and why in the rows the command writes', async () => {
    for (const [name, state] of [
      ['discard', 'DISCARDED'],
      ['resolve', 'RESOLVED'],
    ] as const) {
      const { letterId: id } = (order = await insertOrder(home.orm, `${name}1`));
      const fields = await visit.fields(letterPage(), `/dead-letters/${name}`);
      const answer = await visit.post(`/dead-letters/${name}`, { ...fields, by: 'ada', reason: 'a test order' });
      expect(answer.status).toBe(200);
      expect(answer.text).toContain(`role="status">${state.toLowerCase()}</p>`);
      expect(await rows('select state, decided_by, decision_reason from dead_letter where id = ?', id)).toEqual([
        { state, decided_by: 'ada', decision_reason: 'a test order' },
      ]);
      expect(await rows('select action, actor, why from dead_letter_action where dead_letter_id = ? order by id desc limit 1', id)).toEqual(
        [{ action: state, actor: 'ada', why: 'a test order' }],
      );
      const again = await visit.post(`/dead-letters/${name}`, { ...fields, by: 'bob', reason: 'once more' });
      expect(again.status).toBe(409);
      expect(again.text).toContain(`refused: it is ${state}`);
    }
  });

  it('replay a dead letter with a reason, and by force only where that is said', async () => {
    const fields = await visit.fields(letterPage(), '/dead-letters/replay');
    const { status, text } = await visit.post('/dead-letters/replay', { ...fields, by: 'ada', reason: 'the bank is back' });
    expect(status).toBe(200);
    expect(text).toContain('replayed to orders');
    expect(replays).toEqual([
      [
        { id: order.letterId, force: false, topic: undefined },
        { by: 'ada', reason: 'the bank is back' },
      ],
    ]);
    await visit.post('/dead-letters/replay', { ...fields, by: 'ada', reason: 'sure', force: '1', topic: 'orders' });
    expect(replays[1]![0]).toEqual({ id: order.letterId, force: true, topic: 'orders' });
  });

  it('resolve and accept breaks, once', async () => {
    for (const [name, state] of [
      ['resolve', 'RESOLVED'],
      ['accept', 'ACCEPTED'],
    ] as const) {
      order = await insertOrder(home.orm, `${name}2`);
      const fields = await visit.fields(breakPage(), `/breaks/${name}`);
      expect((await visit.post(`/breaks/${name}`, { ...fields, by: 'ada', reason: 'seen' })).status).toBe(200);
      expect(
        await rows('select state, decided_through, decided_by, decision_reason from reconciliation_break where id = ?', order.breakId),
      ).toEqual([{ state, decided_through: 'person', decided_by: 'ada', decision_reason: 'seen' }]);
      expect((await visit.post(`/breaks/${name}`, { ...fields, by: 'ada', reason: 'seen' })).status).toBe(409);
    }
  });

  it('retry and abandon a parked saga', async () => {
    const retry = await visit.fields(sagaPage(), '/sagas/retry');
    const abandon = await visit.fields(sagaPage(), '/sagas/abandon');
    expect((await visit.post('/sagas/retry', { ...retry, by: 'ada', reason: 'the bank is back' })).status).toBe(200);
    const late = await visit.post('/sagas/abandon', { ...abandon, by: 'ada', reason: 'no' });
    expect(late.status).toBe(409);
    expect(late.text).toContain('Nothing was done: saga');
    expect(await rows('select status from saga_instance where id = ?', order.sagaId)).toEqual([{ status: 'COMPENSATING' }]);
    expect(await rows('select kind, decided_by, why from saga_decision where saga_id = ? order by id desc limit 1', order.sagaId)).toEqual([
      { kind: 'retry', decided_by: 'ada', why: 'the bank is back' },
    ]);
  });

  it('decide about an unknown outcome by hand, as the command does, and once', async () => {
    const of = { call_name: 'charge-payment', idempotency_key: 'by-hand', correlation_id: 'c-by-hand', created_at: NOW, updated_at: NOW };
    await insert(home.orm, 'external_call', { ...of, status: 'UNKNOWN', attempts: 1 });
    await insert(home.orm, 'status_check', {
      ...of,
      listener: 'charge',
      topic: 'orders',
      tag: 'placed',
      message_keys: '["by-hand"]',
      properties: '{}',
      body: Buffer.from('{"orderId":"by-hand"}'),
      message_id: 'm',
      delivery_attempt: 1,
      state: 'REVIEW',
      unknown_since: NOW,
      next_check_at: NOW,
    });
    const fields = await visit.fields(link('/unknown/call', { call: 'charge-payment', key: 'by-hand' }), '/unknown/decide');
    const decide = { ...fields, to: 'SUCCESS', response: '{"paid":true}', by: 'ada', reason: 'the bank says so' };
    const answer = await visit.post('/unknown/decide', decide);
    expect(answer.text).toContain('charge-payment by-hand is SUCCESS');
    expect(await rows(`select status from external_call where idempotency_key = 'by-hand'`)).toEqual([{ status: 'SUCCESS' }]);
    expect(await rows(`select state, outcome, decided_by, decision_reason from status_check where idempotency_key = 'by-hand'`)).toEqual([
      { state: 'DONE', outcome: 'SUCCESS', decided_by: 'ada', decision_reason: 'the bank says so' },
    ]);
    expect((await visit.post('/unknown/decide', decide)).status).toBe(409);
    expect((await visit.post('/unknown/decide', { ...decide, response: '{' })).status).toBe(400);
    expect((await visit.post('/unknown/decide', { ...decide, to: 'PENDING' })).status).toBe(400);
  });

  it('need a reason and a name', async () => {
    const fields = await visit.fields(letterPage(), '/dead-letters/discard');
    for (const given of [{ by: 'ada', reason: ' ' }, { by: 'ada' }, { by: 'ada', reason: 'x'.repeat(501) }])
      expect((await visit.post('/dead-letters/discard', { ...fields, ...given })).status).toBe(400);
    for (const by of ['', 'x'.repeat(101), 'a\u0000b'])
      expect((await visit.post('/dead-letters/discard', { ...fields, by, reason: 'why' })).status).toBe(409);
    expect(await rows('select state from dead_letter where id = ?', order.letterId)).toEqual([{ state: 'OPEN' }]);
  });

  it('are refused to forms of other sites, and to forms that do not carry their secret', async () => {
    const hidden: Record<string, string> = await visit.fields(letterPage(), '/dead-letters/discard');
    const fields = { ...hidden, by: 'ada', reason: 'why' };
    const post = (changed: Record<string, string>, headers: Record<string, string> = {}) =>
      visit.post('/dead-letters/discard', changed, headers);
    expect((await post(fields, { origin: 'http://evil.example' })).status).toBe(403);
    expect((await post(fields, { origin: 'null' })).status).toBe(403);
    expect((await post(fields, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await post(fields, { 'sec-fetch-site': 'same-site' })).status).toBe(403);
    expect((await post({ ...fields, form: 'x' })).status).toBe(403);
    expect((await post({ id: hidden['id']!, by: 'ada', reason: 'why' })).status).toBe(403);
    const stranger = new Visit(home.url);
    await stranger.get('/');
    expect((await stranger.post('/dead-letters/discard', fields)).status).toBe(403);
    const silent = await fetch(`${home.url}/dead-letters/discard`, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { cookie: visit.cookie! },
    });
    expect(silent.status).toBe(403);
    expect(await rows('select state from dead_letter where id = ?', order.letterId)).toEqual([{ state: 'OPEN' }]);
    expect((await post(fields)).status).toBe(200);
  });

  it('are no views, and views are no actions', async () => {
    expect((await visit.get('/dead-letters/discard')).status).toBe(404);
    const fields = await visit.fields(letterPage(), '/dead-letters/discard');
    expect((await visit.post('/dead-letters', { ...fields, by: 'ada', reason: 'x' })).status).toBe(404);
  });
});
