import { defineEntity, p } from '@mikro-orm/core';
import { describe, expect, it } from 'vitest';
import { OrderEntity } from '../../schema/index.ts';
import { onCaptureEvent } from '../../src/change-data-capture/diagnostics.ts';
import { defineRowMessage } from '../../src/change-data-capture/row-message.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { mysqlOutboxStore } from '../../src/index.ts';
import { sqliteHome } from '../store/sqlite-home.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { openCaptureShop } from './support/capture-shop.ts';
import { orderPlaced } from './support/order-placed.ts';

const PATIENCE = { timeout: 60_000, interval: 50 };
const outcomeOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

/** Events of one kind from now on, until disposed of. */
const heard = <Name extends Parameters<typeof onCaptureEvent>[0]>(name: Name) => {
  const events: Parameters<Parameters<typeof onCaptureEvent<Name>>[1]>[0][] = [];
  const off = onCaptureEvent<Name>(name, (event) => events.push(event));
  return Object.assign(events, { [Symbol.dispose]: off });
};

describe('A broker in trouble', () => {
  it('that is down keeps everything waiting, and gets it all in order when it is back', async () => {
    await using shop = await openCaptureShop('cdc_down');
    using failed = heard('failed');
    const capture = await shop.startCapture({ readAheadRows: 10, batch: 4 });
    shop.sender.isDown = true;
    const ids = Array.from({ length: 100 }, (_, index) => `order-${String(index).padStart(3, '0')}`);
    for (const id of ids) await shop.insert(id);
    await expect.poll(() => failed.length, PATIENCE).toBeGreaterThan(0);
    expect(capture.stats()).toMatchObject({ sent: 0 });
    shop.sender.isDown = false;
    await expect.poll(() => new Set(shop.sender.keys).size, PATIENCE).toBe(100);
    expect(shop.sender.keys.toSorted()).toEqual(ids);
  });

  it('that refuses a message for good holds everything behind it, and an alarm says so', async () => {
    await using shop = await openCaptureShop('cdc_held');
    using held = heard('held');
    shop.sender.refused.add('bad');
    await shop.startCapture({ batch: 1 });
    await shop.insert('bad');
    await expect.poll(() => held.length, PATIENCE).toBeGreaterThan(0);
    await shop.insert('behind');
    await expect.poll(() => shop.sender.attempts, PATIENCE).toBeGreaterThan(2);
    expect(shop.sender.keys).toEqual([]);
    shop.sender.refused.clear();
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['bad', 'behind']);
  });

  it('that refuses a message for good has it parked where the outbox shows it, if that was chosen', async () => {
    await using shop = await openCaptureShop('cdc_parked');
    shop.sender.refused.add('bad');
    const first = await shop.startCapture({ refused: 'park' });
    await shop.insert('bad');
    await shop.insert('behind');
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['behind']);
    await first.close();
    const store = mysqlOutboxStore(shop.orm);
    expect(await store.parked(10)).toMatchObject([{ keys: ['bad'], topic: 'orders', reason: 'too large' }]);

    // A person's decision stands, whatever is read later.
    const [{ id } = { id: 0 }] = await store.parked(10);
    await shop.insert('later');
    expect(await store.discard(id, 'a person')).toBe(true);
    await shop.startCapture({ refused: 'park' });
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['behind', 'later']);
    expect(await store.parked(10)).toEqual([]);
  });
});

describe('A connection in trouble', () => {
  it('whose thread is killed on the server is opened again, and nothing is lost', async () => {
    await using shop = await openCaptureShop('cdc_killed_thread');
    using reading = heard('reading');
    await shop.startCapture();
    await expect.poll(() => reading.length, PATIENCE).toBe(1);
    await shop.sql(`kill connection ${reading[0]!.connectionId}`);
    await shop.insert('order-1');
    await expect.poll(() => reading.length, PATIENCE).toBeGreaterThan(1);
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1']);
  });

  it('that is cut, or goes dead without a word, is opened again, and nothing is lost', async () => {
    await using shop = await openCaptureShop('cdc_wire');
    const { hostname, port } = new URL(shop.databaseUrl);
    await using wire = await startTcpProxy({ host: hostname, port: Number(port) });
    const through = new URL(shop.databaseUrl);
    through.host = `${wire.host}:${wire.port}`;
    using reading = heard('reading');
    await shop.startCapture({ binlogUrl: through.href, heartbeatMs: 500 });
    await expect.poll(() => reading.length, PATIENCE).toBe(1);
    wire.cut();
    await shop.insert('order-1');
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1']);

    using trouble = heard('trouble');
    wire.blackhole();
    await shop.insert('order-2');
    await expect
      .poll(() => trouble.map(({ error }) => (error as Error).message), PATIENCE)
      .toContainEqual(expect.stringContaining('heartbeat'));
    await wire.pass();
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1', 'order-2']);
  });
});

const RenamedOrder = defineEntity({
  name: 'Order',
  tableName: 'orders',
  properties: { ...OrderEntity.properties, customerId: p.string().length(64).fieldName('client_id') },
});

describe('A table that is changed', () => {
  it('by a column at its end is read on', async () => {
    await using shop = await openCaptureShop('cdc_added');
    using ddl = heard('ddl');
    await shop.startCapture();
    await shop.insert('order-1');
    await shop.sql("alter table orders add column note varchar(20) not null default 'none'");
    await shop.insert('order-2');
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1', 'order-2']);
    expect(ddl.map(({ statement }) => statement)).toContainEqual(expect.stringContaining('add column note'));
  });

  it('by a column in another place, or a longer one, is read on', async () => {
    await using shop = await openCaptureShop('cdc_moved');
    await shop.startCapture();
    await shop.sql('alter table orders add column note varchar(20) null first, modify currency varchar(16) not null after id');
    await shop.insert('order-1');
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1']);
    expect(JSON.parse(Buffer.from(shop.sender.messages[0]!.body).toString())).toMatchObject({ currency: 'EUR', customerId: 'customer-1' });
  });

  it('by a column that is renamed stops the reader behind what fitted, until it starts with what fits', async () => {
    await using shop = await openCaptureShop('cdc_renamed');
    using stopped = heard('stopped');
    const capture = await shop.startCapture();
    await shop.insert('order-1');
    await shop.sql('alter table orders rename column customer_id to client_id');
    await shop.sql(
      "insert into orders (id, transaction_id, client_id, amount_minor, currency, created_at) values ('order-2', 'tx-2', 'somebody', 7, 'EUR', now(3))",
    );
    await expect.poll(() => stopped.map(({ reason }) => reason), PATIENCE).toEqual(['schema']);
    expect((stopped[0]!.error as Error).message).toContain('there is no column customer_id');
    expect(capture.stats()).toMatchObject({ state: { kind: 'STOPPED', reason: 'schema' } });
    expect(shop.sender.keys).toEqual(['order-1']);

    const fitting = await shop.openOrm({ orders: RenamedOrder });
    await shop.startCapture({
      orm: fitting,
      rowMessages: [defineRowMessage({ ...orderPlaced(shop.placeOrder), entity: RenamedOrder as never })],
    });
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1', 'order-2']);
    expect(JSON.parse(Buffer.from(shop.sender.messages[1]!.body).toString())).toMatchObject({ customerId: 'somebody' });
  });

  it('by a column of another kind stops the reader, but not when the row message does not read it', async () => {
    await using shop = await openCaptureShop('cdc_retyped');
    using stopped = heard('stopped');
    await shop.startCapture();
    await shop.startCapture({
      name: 'narrow',
      rowMessages: [
        defineRowMessage({
          ...orderPlaced(shop.placeOrder),
          columns: ['id', 'transactionId'],
          inputOf: ({ id }) => ({ orderId: id, customerId: 'unknown', amountMinor: 1, currency: 'EUR' }) as never,
        }),
      ],
    });
    await shop.sql('alter table orders modify amount_minor varchar(30) not null');
    await shop.sql(
      "insert into orders (id, transaction_id, customer_id, amount_minor, currency, created_at) values ('order-1', 'tx-1', 'somebody', 'seven', 'EUR', now(3))",
    );
    await expect.poll(() => stopped.map(({ name, reason }) => `${name}: ${reason}`), PATIENCE).toEqual(['shop: schema']);
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1']);
  });
});

describe('What cannot be read rightly', () => {
  it('stops the reader: an XA transaction, and a row message that throws', async () => {
    await using shop = await openCaptureShop('cdc_xa');
    using stopped = heard('stopped');
    await shop.startCapture();
    await shop.startCapture({
      name: 'throws',
      rowMessages: [
        defineRowMessage({
          ...orderPlaced(shop.placeOrder),
          inputOf: () => {
            throw new Error('cannot tell');
          },
        }),
      ],
    });
    await shop.insert('order-1');
    await expect.poll(() => stopped.map(({ name, reason }) => `${name}: ${reason}`), PATIENCE).toEqual(['throws: mapping']);
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1']);
    const xa = `x${shop.databaseName}`;
    const statements = [
      `xa start '${xa}'`,
      "insert into orders (id, transaction_id, customer_id, amount_minor, currency, created_at) values ('order-2', 'tx-2', 'c', 7, 'EUR', now(3))",
      `xa end '${xa}'`,
      `xa prepare '${xa}'`,
      `xa commit '${xa}'`,
    ];
    // One after the other, on the one connection that is open there.
    const one = await shop.openOrm();
    for (const statement of statements) await one.em.getConnection().execute(statement);
    await expect
      .poll(() => stopped.map(({ name, reason }) => `${name}: ${reason}`), PATIENCE)
      .toEqual(['throws: mapping', 'shop: unreadable']);
    expect(shop.sender.keys).toEqual(['order-1']);
  });

  it('is refused at the start: an account without the right, a SQLite file, a missing table, a listener without rows', async () => {
    await using shop = await openCaptureShop('cdc_refused');
    const user = shop.databaseName.slice(-30);
    await shop.sql(`create user '${user}'@'%' identified by 'very-secret'`);
    const url = new URL(shop.databaseUrl);
    url.username = user;
    url.password = 'very-secret';
    const denied = await outcomeOf(shop.capture({ binlogUrl: url.href }).start([]));
    expect(denied).toBeInstanceOf(ConfigurationError);
    expect((denied as Error).message).toContain('GRANT REPLICATION SLAVE');
    expect((denied as Error).message).not.toContain('very-secret');
    await shop.sql(`grant replication slave, replication client on *.* to '${user}'@'%'`);
    const allowed = await shop.startCapture({ binlogUrl: url.href });
    await expect.poll(() => allowed.stats()?.state.kind, PATIENCE).toBe('READING');
    await shop.insert('order-1');
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1']);
    await allowed.close();
    await shop.sql(`drop user '${user}'@'%'`);

    const home = await sqliteHome();
    const onFile = await outcomeOf(shop.capture({ orm: home.orm }).start([]));
    await home.close();
    expect(onFile).toBeInstanceOf(ConfigurationError);
    const unmapped = await outcomeOf(shop.capture().start([{ ...shop.placeOrder, name: 'another' } as never]));
    expect((unmapped as Error).message).toContain('"another"');
    await shop.sql('drop table binlog_position');
    const bare = await outcomeOf(shop.capture().start([]));
    expect(bare).toBeInstanceOf(ConfigurationError);
    expect((bare as Error).message).toContain('checkback migrate up');
  });
});
