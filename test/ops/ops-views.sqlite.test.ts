import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { orderPayments } from '../../listeners/index.ts';
import { OrderEntity } from '../../schema/index.ts';
import { link } from '../../src/cli/ops/html.ts';
import { after, insert, insertOrder, NOW, type OrderFixture } from './support/ops-fixture.ts';
import { openOpsHome, type OpsHome, Visit } from './support/ops-home.ts';

describe('The views of the ops page', () => {
  let home: OpsHome;
  let order: OrderFixture;
  let visit: Visit;

  beforeAll(async () => {
    home = await openOpsHome({ config: { reconciliation: { sources: [orderPayments] } } });
    order = await insertOrder(home.orm, 'o1');
    visit = new Visit(home.url);
  });
  afterAll(() => home.close());

  const shown = async (path: string): Promise<string> => {
    const { status, text } = await visit.get(path);
    expect({ path, status }).toEqual({ path, status: 200 });
    // Which white space stands between elements is nobody's business; that of a <pre> is.
    return text
      .split(/(<pre[\s\S]*?<\/pre>)/)
      .map((part, nth) =>
        nth % 2 === 1
          ? part
          : part
              .replace(/\s+/g, ' ')
              .replace(/(?<=>) (?=<)| (?=<\/)/g, '')
              .replace(/(?<=>) /g, ' '),
      )
      .join('');
  };

  it('show in the overview what needs somebody, and the last hour by minute', async () => {
    const moment = new Date();
    for (const [attempt, status] of [
      [1, 'SUCCESS'],
      [2, 'FAIL'],
    ] as const)
      await insert(home.orm, 'external_call_response', {
        call_id: 77,
        attempt,
        status,
        is_truncated: false,
        connect_ms: 1,
        total_ms: 1,
        closed_at: moment,
      });
    const text = await shown('/');
    expect(text).toMatch(/<a href="\/unknown\?state=REVIEW"><strong>1<\/strong> unknown, before a person/);
    expect(text).toMatch(/<a href="\/dead-letters\?state=OPEN"><strong>1<\/strong> dead letters, open/);
    expect(text).toMatch(/<a href="\/sagas\?status=PARKED"><strong>1<\/strong> sagas, parked/);
    expect(text).toMatch(/<a href="\/breaks\?state=OPEN"><strong>1<\/strong> breaks, open/);
    expect(text).toContain('Attempts answered: 2 in the last hour');
    expect(text).toMatch(/<rect class="bar fail"/);
    expect(text).toContain('No worker has been heard of');
  });

  it('find an order by correlation id, by idempotency key and by transaction, and calls by name and status', async () => {
    const story = link('/story', { id: order.correlationId }).replaceAll('&', '&amp;');
    for (const q of [order.correlationId, order.key]) expect(await shown(link('/find', { q }))).toContain(`href="${story}"`);
    expect(await shown(link('/find', { q: order.transactionId }))).toContain(`href="${link('/story', { id: order.transactionId })}"`);
    expect(await shown(link('/find', { q: 'nobody' }))).toContain('Nothing is on record under nobody.');
    expect(await shown(link('/find', { call: order.callName, status: 'UNKNOWN' }))).toContain(order.key);
    expect(await shown(link('/find', { call: order.callName, status: 'FAIL' }))).toContain('No call is like that.');
  });

  it('tell the whole story of an order on one time line, in the order it happened', async () => {
    const text = await shown(link('/story', { id: order.correlationId }));
    const told = [
      ...text.matchAll(
        /<li class="(?:good|bad)">.*?<time datetime="([^"]+)">.*?<span class="lane">([^<]+)<.*?<span class="what">(.*?)<\/span><\/li>/gs,
      ),
    ];
    const times = told.map(([, at]) => at!);
    expect(times).toEqual(times.toSorted());
    const lines = told.map(([, , lane, what]) => `${lane}: ${what!.replace(/<[^>]+>/g, '')}`);
    for (const fact of [
      /^publication: message \d+ for .* written to the outbox by transaction tx-o1/,
      /^publication: outbox message \d+ PARKED after 3 attempts/,
      /^publication: half message .* sent again to/,
      /^call: listener .* has done its work for key o1/,
      /^call: delivered: call charge said o1 said begun/,
      /^call: attempt 1 of charge said o1 said: POST \/payments/,
      /^call: attempt 1 of .* ended: PENDING HTTP 503.*connect 3.5 ms, write 0.4 ms, headers 20 ms, body 1 ms; 25 ms in all/s,
      /^call: attempt 2 of .* ended: UNKNOWN .*in phase read/s,
      /^status check: outcome of .* became unknown/,
      /^status check: .*REVIEW asked 3 times, last said NONE/,
      /^saga: saga s-o1 said begun/,
      /^saga: compensation of said FAILED/,
      /^saga: .*retry by as it was said/,
      /^dead letter: dead letter \d+ of .* kept by/,
      /^reconciliation: run \d+, .*break: waits for a person/,
      /^reconciliation: break \d+, amount differs .* found by/,
    ])
      expect(lines).toContainEqual(expect.stringMatching(fact));
    expect(text).toContain('<code>tx-o1</code> committed');
    expect(await shown(link('/story', { id: 'nobody' }))).toContain('Nothing is on record under this id');
  });

  it('begin the story with the row of the business, however the order is looked for', async () => {
    const em = home.orm.em.fork();
    const transactionId = '0190a000-0000-7000-8000-000000000001';
    em.create(OrderEntity, { id: 'order-1', transactionId, customerId: 'ada', amountMinor: 4_200n, currency: 'EUR', createdAt: NOW });
    await em.flush();
    const of = { call_name: 'charge-payment', idempotency_key: 'order-1', correlation_id: transactionId };
    await insert(home.orm, 'external_call', { ...of, status: 'SUCCESS', attempts: 1, created_at: after(10), updated_at: after(20) });
    for (const q of ['order-1', transactionId]) expect(await shown(link('/find', { q }))).toContain(`href="/story?id=${transactionId}"`);
    const story = await shown(link('/story', { id: transactionId }));
    const text = story.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ');
    expect(text).toContain(`row order-1 of order-payments written by transaction ${transactionId} : committed`);
    expect(text).toContain('order-payments order-1 PLACED');
    // Nothing else of the row is anybody's business here.
    expect(story).not.toMatch(/4200|>ada</);
  });

  it('show request and response of an attempt side by side: text as text, binary in hexadecimal, what is cut as cut', async () => {
    const first = await shown(link('/attempt', { call: order.callId, n: 1 }));
    expect(first).toContain('POST /payments/as it was said');
    expect(first).toContain('content-type: application/json\nx-said: as it was said');
    expect(first).toContain('{&quot;name&quot;:&quot;o1&quot;,&quot;text&quot;:&quot;as it was said&quot;}');
    expect(first).toContain('with secrets masked');
    expect(first).toMatch(/<code>[0-9a-f]{64}<\/code>/);
    const second = await shown(link('/attempt', { call: order.callId, n: 2 }));
    expect(second).toContain('00000000  00 01 02 ff 3c 73 63 72 69 70 74 3e              ....&lt;script&gt;');
    expect(second).toContain('Truncated');
    expect((await visit.get(link('/attempt', { call: order.callId, n: 3 }))).status).toBe(404);
  });

  it('show what of a body is not kept, and a long one to its limit', async () => {
    const insertOne = (attempt: number, body: Buffer | null, state: string): Promise<number> =>
      insert(home.orm, 'external_call_attempt', {
        call_id: order.callId,
        attempt,
        correlation_id: 'c',
        origin: 'bank',
        method: 'PUT',
        path: '/',
        headers: '[]',
        body_state: state,
        body,
        body_bytes: body?.byteLength ?? 12,
        body_sha256: Buffer.alloc(32),
        opened_at: NOW,
      });
    await insertOne(11, null, 'WITHHELD');
    await insertOne(12, Buffer.from('ä'.repeat(40_000)), 'RAW');
    const withheld = await shown(link('/attempt', { call: order.callId, n: 11 }));
    expect(withheld).toContain('not kept, because secrets could not be told apart');
    expect(withheld).toContain('Nothing is on record: it is under way, or its worker died');
    expect(await shown(link('/attempt', { call: order.callId, n: 12 }))).toContain('the first 65536 of 80000 bytes');
  });

  it('list unknown outcomes by age, page by page, and one with what was asked', async () => {
    expect(await shown('/unknown')).toContain(link('/unknown/call', { call: order.callName, key: order.key }).replaceAll('&', '&amp;'));
    expect(await shown('/unknown?state=DUE')).toContain('There is none.');
    const one = await shown(link('/unknown/call', { call: order.callName, key: order.key }));
    expect(one).toContain('Decide by hand');
    for (let nth = 0; nth < 60; nth += 1) {
      await insert(home.orm, 'status_check', {
        call_name: 'paged',
        idempotency_key: `k${nth}`,
        listener: 'l',
        correlation_id: `p${nth}`,
        topic: 't',
        tag: 't',
        message_keys: '[]',
        properties: '{}',
        body: Buffer.alloc(0),
        message_id: 'm',
        delivery_attempt: 1,
        state: 'RETRY',
        // Several of one moment: the id tells them apart.
        unknown_since: new Date(NOW.getTime() + Math.floor(nth / 7)),
        next_check_at: NOW,
        created_at: NOW,
        updated_at: NOW,
      });
    }
    const pages = await allPages('/unknown?state=RETRY');
    const keys = pages.flatMap((text) => [...text.matchAll(/key=(k\d+)"/g)].map(([, key]) => key));
    expect(keys).toEqual(Array.from({ length: 60 }, (_, nth) => `k${nth}`));
  });

  async function allPages(first: string): Promise<string[]> {
    const pages: string[] = [];
    for (let path: string | undefined = first; path !== undefined;) {
      const text = await shown(path);
      pages.push(text);
      path = /<a class="next" href="([^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&');
    }
    return pages;
  }

  it('list dead letters, and one with errors and history, its body only when asked for', async () => {
    expect(await shown('/dead-letters')).toContain(`href="/dead-letters/letter?id=${order.letterId}"`);
    expect(await shown('/dead-letters?state=DISCARDED')).toContain('There is none.');
    const one = await shown(`/dead-letters/letter?id=${order.letterId}`);
    expect(one).toContain('kept');
    expect(one).not.toContain('{&quot;name&quot;');
    expect(await shown(`/dead-letters/letter?id=${order.letterId}&body=1`)).toContain('{&quot;name&quot;:&quot;o1&quot;');
    expect((await visit.get('/dead-letters/letter?id=999')).status).toBe(404);
  });

  it('draw a saga step by step, its input and results only when asked for', async () => {
    expect(await shown('/sagas')).toContain(link('/sagas/saga', { id: order.sagaId }));
    const one = await shown(link('/sagas/saga', { id: order.sagaId }));
    expect(one).toMatch(/<ol class="flow"><li><strong>reserve<\/strong>.*<li><strong>said<\/strong>.*compensation.*it stands here/s);
    expect(one).toContain('retry');
    expect(one).not.toContain('{&quot;said&quot;');
    expect(await shown(link('/sagas/saga', { id: order.sagaId, data: 1 }))).toContain('{&quot;said&quot;:&quot;as it was said&quot;}');
    expect(await shown('/sagas?status=COMPLETED')).toContain('There is none.');
  });

  it('page through sagas that have ended, newest first', async () => {
    for (let nth = 0; nth < 120; nth += 1) {
      await insert(home.orm, 'saga_instance', {
        id: `done-${String(nth).padStart(3, '0')}`,
        saga: 'x',
        version: 1,
        fingerprint: 'f',
        input: '{}',
        correlation_id: `d${nth}`,
        status: 'COMPLETED',
        created_at: NOW,
        updated_at: new Date(NOW.getTime() + Math.floor(nth / 9)),
      });
    }
    const pages = await allPages('/sagas?status=COMPLETED');
    const ids = pages.flatMap((text) => [...text.matchAll(/saga\?id=(done-\d+)"/g)].map(([, id]) => id));
    expect(ids).toEqual(Array.from({ length: 120 }, (_, nth) => `done-${String(119 - nth).padStart(3, '0')}`));
    expect(pages).toHaveLength(3);
  });

  it('list reconciliations with what each left, and breaks with their history', async () => {
    expect(await shown('/reconciliation')).toMatch(new RegExp(`href="/reconciliation/run\\?id=${order.runId}".*open, as it was said`, 's'));
    expect(await shown(`/reconciliation/run?id=${order.runId}`)).toContain('break: waits for a person: 1');
    expect((await visit.get('/reconciliation/run?id=999')).status).toBe(404);
    expect(await shown('/breaks')).toContain(`href="/breaks/break?id=${order.breakId}"`);
    const one = await shown(`/breaks/break?id=${order.breakId}`);
    expect(one).toContain('4200 EUR SUCCESS, line 7');
    expect(one).toContain('4100 EUR SUCCESS');
  });

  it('refuse parameters that mean nothing', async () => {
    for (const path of [
      '/attempt',
      '/attempt?call=x&n=1',
      '/unknown?state=DONE',
      '/breaks/break?id=-1',
      '/unknown?at=x&id=1',
      '/story',
      '/dead-letters?after=1.5',
    ])
      expect({ path, status: (await visit.get(path)).status }).toEqual({ path, status: 400 });
    expect((await visit.get('/nowhere')).status).toBe(404);
  });
});
