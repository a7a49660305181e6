import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { OrderEntity, type Order } from '../../schema/index.ts';
import { defineRowMessage } from '../../src/change-data-capture/row-message.ts';
import { LocalTransactionError } from '../../src/errors.ts';
import { defineTransactionListener, mysqlTransactionDatabase, rowExists, TransactionalPublisher } from '../../src/index.ts';
import { encodeHalfMessage } from '../../src/transaction/half-message.ts';
import { THROWING_CUSTOMER, anOrder } from '../support/publishing-listeners.ts';
import { aTransactionId, type CaptureShop, openCaptureShop } from './support/capture-shop.ts';
import { orderPlaced } from './support/order-placed.ts';
import { RecordingSender } from './support/recording-sender.ts';

const PATIENCE = { timeout: 60_000, interval: 50 };
const resources = new AsyncDisposableStack();
let shop: CaptureShop;

beforeAll(async () => {
  shop = resources.use(await openCaptureShop('cdc_messages'));
});
afterAll(() => resources.disposeAsync());

/** A capture of its own of the shop's rows, from now on. */
const capturing = async (name: string, options: Parameters<CaptureShop['startCapture']>[0] = {}): Promise<RecordingSender> => {
  const sender = new RecordingSender();
  const capture = await shop.startCapture({ name, sender, ...options });
  onTestFinished(() => capture.close());
  return sender;
};

describe('Change data capture', () => {
  it('sends the very message the publisher would have sent, and none of a transaction that was rolled back', async () => {
    const capture = shop.capture({ name: 'publisher', sender: shop.sender });
    const publisher = await TransactionalPublisher.start({
      owner: 'shop',
      outbox: capture,
      database: mysqlTransactionDatabase(shop.orm),
      listeners: [shop.placeOrder],
      connectionTimeoutMs: 30_000,
    });
    const undone = publisher.publish(shop.placeOrder, anOrder('undone', { customerId: THROWING_CUSTOMER }));
    await expect(undone).rejects.toBeInstanceOf(LocalTransactionError);
    const { transactionId } = await publisher.publish(shop.placeOrder, anOrder('done'));
    await expect.poll(() => shop.sender.keys, PATIENCE).toContain('done');
    await publisher.close();
    expect(shop.sender.keys).toEqual(['done']);
    expect(shop.sender.messages[0]).toEqual(
      encodeHalfMessage(
        { topic: 'orders', tag: 'placed', keys: ['done'], payload: anOrder('done') },
        { owner: 'shop', listener: shop.placeOrder.name, transactionId, correlationId: transactionId, lookup: 'outbox' },
      ),
    );
    expect(capture.stats()).toMatchObject({ state: { kind: 'READING' }, sent: 1, transactions: 1 });
    await capture.close();
    expect(capture.stats()).toMatchObject({ state: { kind: 'CLOSED' } });
  });

  it('begins with what is committed after its first start, and leaves alone what was there before', async () => {
    await shop.insert('before-1', 'before-2');
    const sender = await capturing('from-now');
    await shop.insert('after-1');
    await expect.poll(() => sender.keys, PATIENCE).toEqual(['after-1']);
  });

  it('begins at a place that is named', async () => {
    // MySQL has dropped the older name, MariaDB does not know the newer one.
    const [status] = await shop.sql('show binary log status').catch(() => shop.sql('show master status'));
    await shop.insert('place-1', 'place-2');
    const from = { file: String(status!['File']), position: Number(status!['Position']) };
    const sender = await capturing('from-place', { from });
    await expect.poll(() => sender.keys, PATIENCE).toEqual(['place-1', 'place-2']);
  });

  it('sends the messages of one transaction in the order of its rows, and of rows of other tables nothing', async () => {
    const sender = await capturing('one-transaction');
    await shop.sql('create table unknown_things (id int primary key)');
    await shop.orm.em.fork().transactional(async (em) => {
      await em.getConnection().execute('insert into unknown_things values (1)', [], 'run', em.getTransactionContext());
      for (const id of ['one-1', 'one-2', 'one-3']) await em.insert(OrderEntity, orderRow(id));
    });
    await expect.poll(() => sender.keys.toSorted(), PATIENCE).toEqual(['one-1', 'one-2', 'one-3']);
  });

  it('sends nothing of what was rolled back to a savepoint, though the binlog has its rows', async () => {
    const sender = await capturing('savepoint');
    await shop.sql('create table no_rollback (id int primary key) engine = MyISAM');
    await shop.orm.em.fork().transactional(async (em) => {
      const run = (text: string): Promise<unknown> => em.getConnection().execute(text, [], 'run', em.getTransactionContext());
      await em.insert(OrderEntity, orderRow('kept-1'));
      await run('savepoint half_way');
      await em.insert(OrderEntity, orderRow('undone-1'));
      await run('insert into no_rollback values (1)');
      await run('rollback to savepoint half_way');
      await em.insert(OrderEntity, orderRow('kept-2'));
    });
    await shop.orm.em
      .fork()
      .transactional(async (em) => {
        await em.insert(OrderEntity, orderRow('undone-2'));
        await em.getConnection().execute('insert into no_rollback values (2)', [], 'run', em.getTransactionContext());
        throw new Error('undone');
      })
      .catch(() => {});
    await shop.insert('kept-3');
    await expect.poll(() => sender.keys, PATIENCE).toContain('kept-3');
    expect(sender.keys.toSorted()).toEqual(['kept-1', 'kept-2', 'kept-3']);
  });

  it('sends for an update whose condition holds after and did not before', async () => {
    const sender = await capturing('updates', {
      rowMessages: [
        defineRowMessage({
          ...orderPlaced(shop.placeOrder),
          on: 'update',
          when: (after: Order, before) => after.status === 'PAID' && before?.status !== 'PAID',
        }),
      ],
    });
    await shop.insert('update-1', 'update-2');
    await shop.sql("update orders set status = 'PAID' where id = 'update-1'");
    await shop.sql("update orders set currency = 'USD' where id = 'update-1'");
    await shop.sql("update orders set status = 'PAID' where id in ('update-1', 'update-2')");
    await expect.poll(() => sender.keys, PATIENCE).toEqual(['update-1', 'update-2']);
    expect(JSON.parse(Buffer.from(sender.messages[1]!.body).toString())).toEqual(anOrder('update-2'));
  });

  it('sends all the messages of a decision that has several', async () => {
    const several = defineTransactionListener<{ id: string }>({
      name: 'several',
      lookup: rowExists(OrderEntity, ({ transactionId }) => ({ transactionId })),
      messages: [
        { topic: 'orders', tag: 'first', keys: ({ id }) => [id] },
        { topic: 'others', tag: 'second', version: 2, payload: ({ id }) => ({ only: id }) },
      ],
      execute: () => {},
    });
    const sender = await capturing('several', {
      rowMessages: [
        defineRowMessage({
          listener: several,
          entity: OrderEntity,
          inputOf: ({ id }: Order) => ({ id }),
          idsOf: ({ transactionId, customerId }) => ({ transactionId, correlationId: customerId }),
        }),
      ],
    });
    await shop.insert('several-1');
    await expect.poll(() => sender.messages.length, PATIENCE).toBe(2);
    expect(sender.messages.map(({ topic, tag }) => `${topic}:${tag}`).toSorted()).toEqual(['orders:first', 'others:second']);
    expect(sender.messages.every(({ properties }) => properties['checkback-correlation-id'] === 'customer-1')).toBe(true);
  });

  it('sends 10,000 rows, those of each key in the order of their commits', async () => {
    const byCustomer = defineTransactionListener<{ id: string; customer: string }>({
      topic: 'orders',
      tag: 'by-customer',
      lookup: rowExists(OrderEntity, ({ transactionId }) => ({ transactionId })),
      keys: ({ customer }) => [customer],
      execute: () => {},
    });
    const sender = await capturing('ten-thousand', {
      readAheadRows: 500,
      batch: 50,
      rowMessages: [
        defineRowMessage({
          listener: byCustomer,
          entity: OrderEntity,
          inputOf: ({ id, customerId }: Order) => ({ id, customer: customerId }),
          idsOf: ({ transactionId }) => ({ transactionId }),
        }),
      ],
    });
    const [keys, rounds] = [20, 500];
    for (let from = 0; from < rounds; from += 10) {
      await shop.orm.em.fork().transactional(async (em) => {
        const rows = Array.from({ length: keys * 10 }, (_, index) => {
          const round = from + Math.floor(index / keys);
          return orderRow(`many-${index % keys}-${round}`, `key-${index % keys}`);
        });
        await em.insertMany(OrderEntity, rows);
      });
    }
    await expect.poll(() => sender.messages.length, PATIENCE).toBe(keys * rounds);
    const seen = Map.groupBy(sender.messages, ({ keys: [key] }) => key);
    for (let key = 0; key < keys; key += 1) {
      const ids = seen.get(`key-${key}`)!.map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as { id: string }).id);
      expect(ids).toEqual(Array.from({ length: rounds }, (_, round) => `many-${key}-${round}`));
    }
  });
});

const orderRow = (id: string, customerId = 'customer-1'): Order => ({
  id,
  transactionId: aTransactionId(),
  customerId,
  amountMinor: 4_200n,
  currency: 'EUR',
  status: 'PLACED',
  createdAt: new Date(),
});
