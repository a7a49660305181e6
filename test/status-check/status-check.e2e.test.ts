import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import type { Producer } from '../../src/broker/producer.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { keepUnknownOutcomes } from '../../src/status-check/keep-unknown-outcome.ts';
import { startStatusChecker } from '../../src/status-check/status-checker.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { createDatabase, createGroup, createTopic, useStack } from '../support/stack.ts';
import { orderMessage, partsOn, payingListener, work } from './support/bank-checker.ts';

const A_DAY_MS = 86_400_000;

describe('A status check, timed by the broker', () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let orm: MikroORM;
  let bank: MockBank;
  const cleanups: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    database = await createDatabase('status_check_e2e');
    orm = await openOrm({ url: database.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
    await orm.migrator.up();
    await execute('create table effect (id int auto_increment primary key, call_key varchar(64) not null, kind varchar(100) not null)');
  });
  beforeEach(async () => {
    for (const table of ['status_check', 'external_call', 'effect']) await execute(`delete from ${table}`);
    bank = await startMockBank();
    cleanups.push(() => bank.close());
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  });
  afterAll(async () => {
    await orm?.close(true);
    await database?.drop();
  });

  const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
  const eventually = <T>(attempt: () => Promise<T>): Promise<T> => vi.waitFor(attempt, { timeout: 60_000, interval: 100 });
  const settled = async (ids: readonly string[]): Promise<void> => {
    const rows = await execute("select state, outcome, claims from status_check where state = 'DONE'");
    expect(rows).toEqual(ids.map(() => ({ state: 'DONE', outcome: 'SUCCESS', claims: 1 })));
    expect((await execute('select call_key from effect')).map((row) => row['call_key']).sort()).toEqual([...ids].sort());
    for (const id of ids) expect(bank.effects.get(id)).toBe(1);
  };

  /** Two checkers of one group, and what a worker does with an order whose answer never comes. */
  const open = async ({
    sweepMs,
    afterMs,
    replaceProducer,
  }: {
    sweepMs: number;
    afterMs: number;
    replaceProducer?: (sent: Producer) => Producer;
  }) => {
    const [topic, group] = [await createTopic('DELAY'), await createGroup()];
    const broker = rocketmq({ endpoints: useStack().endpoints });
    const producer = await broker.startProducer({ topic, type: 'DELAY' });
    cleanups.push(() => producer.close());
    const listener = payingListener({ afterMs, maxDelayMs: 60_000 });
    const parts = partsOn(orm, bank.origin);
    cleanups.push(() => parts.gateway.close());
    for (let nth = 0; nth < 2; nth += 1) {
      const timers = await broker.startConsumer({ topic, group, longPollMs: 2_000 });
      cleanups.push(() => timers.close());
      const checker = startStatusChecker({ ...parts, listeners: [listener], timers, sweepMs });
      cleanups.push(() => checker.close());
    }
    const keep = keepUnknownOutcomes({ store: parts.store, timers: { producer: replaceProducer?.(producer) ?? producer, topic } });
    return async (id: string): Promise<void> => {
      const outcome = await work(parts.gateway, listener, orderMessage(id));
      if (outcome.status !== 'UNKNOWN') throw new Error(`${id} ended ${outcome.status}`);
      await keep(listener, orderMessage(id), id, outcome.error);
    };
  };

  it('is made when its message on the DELAY topic arrives, once, with no sweep in sight', async () => {
    const ids = ['t-1', 't-2', 't-3', 't-4'];
    bank.follow(ids.map(() => ({ kind: 'never-answer' })));
    const order = await open({ sweepMs: A_DAY_MS, afterMs: 2_000 });
    await Promise.all(ids.map(order));
    await eventually(() => settled(ids));
  });

  it('is found by the sweep when its message is lost, and made once', async () => {
    const ids = ['l-1', 'l-2'];
    bank.follow(ids.map(() => ({ kind: 'never-answer' })));
    const lost = (producer: Producer): Producer => ({ ...producer, send: async () => ({ messageId: 'lost' }) });
    const order = await open({ sweepMs: 300, afterMs: 1_000, replaceProducer: lost });
    await Promise.all(ids.map(order));
    await eventually(() => settled(ids));
  });

  it('is made once when its message comes many times, and sweeps come as well', async () => {
    bank.follow([{ kind: 'never-answer' }]);
    const many = (producer: Producer): Producer => ({
      ...producer,
      send: async (message, options) => {
        const sent = await Promise.all(Array.from({ length: 20 }, () => producer.send(message, options)));
        return sent[0]!;
      },
    });
    const order = await open({ sweepMs: 300, afterMs: 1_000, replaceProducer: many });
    await order('d-1');
    await eventually(() => settled(['d-1']));
    expect(bank.requests.filter(({ method }) => method === 'GET')).toHaveLength(1);
  });
});
