import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../src/broker/message.ts';
import { encodeHalfMessage } from '../../src/transaction/half-message.ts';
import { orderPayments } from '../../listeners/reconciliation/order-payments.source.ts';
import { previewDelivery, reconcileDelivery } from '../../src/reconciliation/reconcile-delivery.ts';
import { reportOfRun } from '../../src/reconciliation/report.ts';
import { readAll } from './support/read-all.ts';
import { openShop, type Shop } from './support/shop.ts';

describe('Reconciliation of deliveries', () => {
  let shop: Shop;
  let sent: OutgoingMessage[];
  beforeAll(async () => {
    shop = await openShop();
  });
  beforeEach(async () => {
    sent = [];
    await shop.clear();
  });
  afterAll(() => shop?.close());

  const signal = new AbortController().signal;
  const keysSent = (): string[] => sent.map(({ keys }) => keys[0]!);
  const contextOf = (send: (message: OutgoingMessage) => Promise<void> = async (message) => void sent.push(message), chunk = 3) => ({
    ...shop.reconciler({ chunk }).delivery,
    send,
  });
  const reconcile = async (context = contextOf()) => {
    const run = await reconcileDelivery(orderPayments, {}, context, signal);
    const { looked, totals, breaks } = await reportOfRun(context.runs, run!);
    return { looked, totals, breaks: (await readAll(breaks())).map(({ idempotencyKey, verdict }) => `${idempotencyKey} ${verdict}`) };
  };
  /** Ten orders old enough, every one of them without a call. */
  const lost = async (): Promise<string[]> => {
    const ids = Array.from({ length: 10 }, (_, nth) => `o${nth}`);
    for (const id of ids) await shop.order(id, { ageMin: 20 });
    return ids;
  };

  it('publishes again what has no call, and neither what has, nor what is too young, of another kind or a dead letter', async () => {
    await shop.order('missing', { ageMin: 16 });
    await shop.order('young', { ageMin: 14 });
    await shop.order('rejected', { ageMin: 60, status: 'REJECTED' });
    await shop.order('called', { ageMin: 60 });
    await shop.call('called');
    await shop.order('dead', { ageMin: 60 });
    await shop.execute(
      `insert into dead_letter (topic, consumer_group, identity, message_id, tag, message_keys, properties, body, body_sha256, reason, reason_text,
         error_chain, delivery_attempts, first_failed_at, last_failed_at, call_name, idempotency_key)
       values ('orders', 'payment-workers', 'x', 'm', 'placed', '[]', '{}', '', '', 'POISON', 'r', '[]', 1, utc_timestamp(3), utc_timestamp(3), 'charge-payment', 'dead')`,
    );
    expect(await reconcile()).toEqual({ looked: 3, totals: { REPUBLISHED: 1, DEAD_LETTER: 1 }, breaks: ['missing REPUBLISHED'] });
    expect(keysSent()).toEqual(['missing']);
  });

  it('the message is the very one that was published: properties, keys and payload', async () => {
    await shop.order('o1', { ageMin: 20 });
    await reconcile();
    const [row] = await shop.execute('select transaction_id from orders');
    const transactionId = row!['transaction_id'] as string;
    const payload = { orderId: 'o1', customerId: 'c1', amountMinor: 4_200, currency: 'EUR' };
    const content = { topic: 'orders', tag: 'placed', keys: ['o1'], payload, version: 1 };
    const identity = {
      owner: 'order-service',
      listener: 'orders:placed',
      transactionId,
      correlationId: transactionId,
      lookup: 'rowExists' as const,
    };
    expect(sent).toEqual([encodeHalfMessage(content, identity)]);
  });

  it('goes through all pages, and publishes nothing again within its interval', async () => {
    const ids = await lost();
    expect(await reconcile()).toMatchObject({ looked: 10, totals: { REPUBLISHED: 10 } });
    expect(await reconcile()).toMatchObject({ looked: 10, totals: { RECENT: 10 } });
    expect(keysSent()).toEqual(ids);
    for (const id of ids) await shop.call(id, "'SUCCESS', null, null");
    expect(await reconcile()).toEqual({ looked: 10, totals: {}, breaks: [] });
    await shop.execute("delete from external_call where idempotency_key = 'o3'");
    await shop.execute('update reconciliation_item set updated_at = utc_timestamp(3) - interval 61 minute');
    expect(await reconcile()).toMatchObject({ totals: { REPUBLISHED: 1 } });
    expect(keysSent()).toEqual([...ids, 'o3']);
  });

  it.each([
    ['before a message was sent', 4, 0],
    ['after a message was sent and before that was written down', 4, 1],
    ['when every row has been gone through', 9, 0],
  ])('killed %s it goes on where it was, with the same report', async (_when, nth, sentTwice) => {
    const ids = await lost();
    const broken = contextOf(async (message) => {
      if (sent.length === nth) {
        if (sentTwice) sent.push(message);
        throw new Error('killed');
      }
      sent.push(message);
    });
    await expect(reconcile(broken)).rejects.toThrow('killed');
    // Its consumer has been at it meanwhile.
    await shop.call('o0', "'SUCCESS', null, null");
    await shop.execute("update orders set status = 'PAID' where id in ('o0', 'o4')");
    expect(await reconcile()).toEqual({ looked: 10, totals: { REPUBLISHED: 10 }, breaks: ids.map((id) => `${id} REPUBLISHED`) });
    expect(sent).toHaveLength(10 + sentTwice);
    expect(new Set(keysSent())).toEqual(new Set(ids));
    expect(await shop.execute('select count(*) as n from reconciliation_run')).toEqual([{ n: 1 }]);
  });

  it('one run of a source at a time', async () => {
    await lost();
    const holding = Promise.withResolvers<void>();
    const first = reconcile(
      contextOf(async (message) => {
        await holding.promise;
        sent.push(message);
      }),
    );
    let second: number | undefined = 0;
    do {
      second =
        (await shop.execute('select id from reconciliation_item')).length === 0
          ? 0
          : await reconcileDelivery(orderPayments, {}, contextOf(), signal);
    } while (second === 0);
    expect(second).toBeUndefined();
    holding.resolve();
    expect(await first).toMatchObject({ totals: { REPUBLISHED: 10 } });
    expect(sent).toHaveLength(10);
  });

  it('a row whose message cannot be built is a break, and the others go on', async () => {
    await lost();
    const source = {
      ...orderPayments,
      messageOf: (order: Parameters<typeof orderPayments.messageOf>[0]) => {
        if (order.id === 'o5') throw new Error('no currency');
        return orderPayments.messageOf(order);
      },
    };
    const context = contextOf();
    const run = await reconcileDelivery(source, {}, context, signal);
    const { totals, breaks } = await reportOfRun(context.runs, run!);
    expect(totals).toEqual({ REPUBLISHED: 9, UNBUILDABLE: 1 });
    expect((await readAll(breaks())).find(({ verdict }) => verdict === 'UNBUILDABLE')).toMatchObject({
      idempotencyKey: 'row o5',
      why: 'no currency',
    });
  });

  it('a preview sends and writes nothing', async () => {
    await lost();
    const found = await readAll(previewDelivery(orderPayments, undefined, contextOf()));
    expect(found.map(({ verdict }) => verdict)).toEqual(Array.from({ length: 10 }, () => 'WOULD_REPUBLISH'));
    expect(sent).toEqual([]);
    expect(await shop.execute('select id from reconciliation_run')).toEqual([]);
  });
});
