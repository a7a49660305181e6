import { v7 as uuidV7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OrderEntity } from '../../schema/index.ts';
import type { OutgoingMessage, Resolution, TransactionalPublisher, TransactionListener } from '../../src/index.ts';
import type { PlaceOrder } from '../../listeners/index.ts';
import { purgeTransactionMarkers } from '../../src/store/purge-transaction-markers.ts';
import { ScriptedBroker } from '../support/fake-transactions.ts';
import { collectEvents } from '../support/publishing-events.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { outcomeOf } from './support/deliveries.ts';
import { type LocalShop, openLocalShop } from './support/local-shop.ts';
import { MARKER_FIRST, ROW_FIRST, STRATEGIES, type Strategy, orderListener } from './support/strategies.ts';

const HOUR_MS = 3_600_000;
const PATIENCE = { timeout: 10_000, interval: 20 };

let shop: LocalShop;
let publishers: TransactionalPublisher[] = [];
/** Two processes of the service: each may be asked. */
let brokers: ScriptedBroker[] = [];
beforeAll(async () => {
  shop = await openLocalShop('moments');
});
afterAll(() => shop?.[Symbol.asyncDispose]());
beforeEach(() => {
  shop.broker.halves.length = 0;
  shop.proxy.pass();
});
afterEach(() => Promise.all(publishers.map((publisher) => publisher.close(2_000))));

async function startTwice(listener: TransactionListener<PlaceOrder>): Promise<TransactionalPublisher> {
  brokers = [shop.broker, new ScriptedBroker([])];
  publishers = await Promise.all(brokers.map((broker) => shop.start(listener, { broker })));
  return publishers[0]!;
}

/** Both processes, each twice, all at once; gives the distinct answers. */
async function ask(half: OutgoingMessage, { round = 1, bornAt = new Date() } = {}): Promise<Resolution[]> {
  const questions = [...brokers, ...brokers].map((broker) =>
    broker.checkBack({ ...half, messageId: 'm', round, bornAt }, AbortSignal.timeout(10_000)),
  );
  return [...new Set(await Promise.all(questions))];
}

const MOMENTS = [
  { moment: 'before BEGIN', statement: /^(begin|start transaction)$/, isExecuted: false },
  { moment: 'after BEGIN', statement: /^(begin|start transaction)$/, isExecuted: true },
  { moment: 'before INSERT', statement: /^insert into `orders`/, isExecuted: false },
  { moment: 'after INSERT', statement: /^insert into `orders`/, isExecuted: true },
  { moment: 'before COMMIT', statement: /^commit$/, isExecuted: false },
  { moment: 'after COMMIT, before its OK', statement: /^commit$/, isExecuted: true },
];
const CASES = STRATEGIES.flatMap((strategy) =>
  // With the half message sent late there is none to ask about until then.
  // The session lock ends autocommit: no BEGIN goes over the wire with it.
  MOMENTS.filter(({ statement }) =>
    strategy.half === 'beforeCommit' ? statement.test('commit') : strategy.lookup.kind === 'transactionMarker' || !statement.test('begin'),
  ).map((at) => ({
    ...at,
    strategy,
    name: strategy.name,
    answer: answerAt(strategy, at.moment),
  })),
);

function answerAt({ lookup, half }: Strategy, moment: string): Resolution {
  // Where nobody has written the marker, the check-back does: it decides.
  if (lookup.kind === 'transactionMarker' && moment.endsWith('BEGIN')) return 'ROLLBACK';
  // The session lock is there until its owner has read the OK.
  return moment.startsWith('after COMMIT') && (lookup.kind === 'transactionMarker' || half === 'beforeCommit') ? 'COMMIT' : 'UNKNOWN';
}

describe('Two processes asked at once', () => {
  it.each(CASES)('$moment, under $name: all answer $answer, and once it is over the truth, for ever', async (at) => {
    const listener = orderListener('orders', at.strategy);
    const publisher = await startTwice(listener);
    const orderId = `${at.name}-${at.moment.replaceAll(/\W+/g, '-')}`;
    const outcome = Promise.withResolvers<unknown>();
    const taken = shop.proxy.intercept(at.statement, async (statement) => {
      if (at.isExecuted) await statement.forward();
      await expect.poll(() => shop.broker.halves.length, PATIENCE).toBe(1);
      const answers = [await ask(shop.broker.halves[0]!, { round: 1 }), await ask(shop.broker.halves[0]!, { round: 2 })];
      statement.pass();
      expect(answers).toEqual([[at.answer], [at.answer]]);
    });
    outcomeOf(publisher.publish(listener, anOrder(orderId))).then(outcome.resolve, outcome.reject);
    await taken;
    const isCommitted = at.answer !== 'ROLLBACK';
    expect((await outcome.promise) instanceof Error).toBe(!isCommitted);
    expect((await shop.orderIds()).includes(orderId)).toBe(isCommitted);
    const truth = isCommitted ? 'COMMIT' : 'ROLLBACK';
    // RELEASE_LOCK is not waited for.
    await expect.poll(() => ask(shop.broker.halves[0]!), PATIENCE).toEqual([truth]);
    for (let round = 3; round < 8; round++) expect(await ask(shop.broker.halves[0]!, { round })).toEqual([truth]);
  });
});

describe.each([ROW_FIRST, MARKER_FIRST])('A check-back 71 hours after the half message, under $name', (strategy) => {
  const BORN_HOURS_AGO = 71;

  it.each([
    ['COMMIT', true],
    ['ROLLBACK', false],
  ] as const)('answers %s as at the first hour, before and after the markers are purged', async (truth, isCommitted) => {
    using checked = collectEvents('checked');
    const listener = orderListener('orders', strategy);
    const publisher = await startTwice(listener);
    await publisher.publish(listener, anOrder(`template-${strategy.name}-${truth}`));
    const bornAt = new Date(Date.now() - BORN_HOURS_AGO * HOUR_MS);
    const transactionId = uuidV7({ msecs: bornAt.getTime() });
    const template = shop.broker.halves[0]!;
    const half = { ...template, properties: { ...template.properties, 'checkback-tx': transactionId } };
    if (isCommitted) {
      await shop.orm.em.fork().insert(OrderEntity, {
        id: `old-${strategy.name}`,
        transactionId,
        customerId: 'c',
        amountMinor: 1n,
        currency: 'EUR',
        status: 'PLACED',
        createdAt: bornAt,
      });
      if (strategy.lookup.kind === 'transactionMarker')
        await shop.orm.em.getConnection().execute('insert into transaction_marker (id, state) values (?, 1)', [transactionId]);
    }
    expect(await ask(half, { round: 8_520, bornAt })).toEqual([truth]);
    await purgeTransactionMarkers(shop.orm, { brokerRetentionHours: 72 });
    for (let round = 8_521; round < 8_524; round++) expect(await ask(half, { round, bornAt })).toEqual([truth]);
    const ages = checked.filter((event) => event.transactionId === transactionId).map(({ ageMs }) => Math.round(ageMs! / HOUR_MS));
    expect(new Set(ages)).toEqual(new Set([BORN_HOURS_AGO]));
  });
});

describe('A marker that the broker may still ask about', () => {
  it.each([1, 72, 720])(
    'survives the purge with %i hours of retention, though the clocks of producer and purge are an hour off in the worst direction',
    async (brokerRetentionHours) => {
      const execute = (sql: string, ...parameters: unknown[]): Promise<{ id: string }[]> =>
        shop.orm.em.getConnection().execute(sql, parameters);
      // Written by the last moment a stopped producer can, under an id that its slow clock made older still.
      const oldest = uuidV7({ msecs: Date.now() - (brokerRetentionHours + 1 + 1) * HOUR_MS });
      await execute('insert into transaction_marker (id, state) values (?, 1)', oldest);
      await purgeTransactionMarkers(shop.orm, { brokerRetentionHours, now: Date.now() + HOUR_MS });
      expect(await execute('select id from transaction_marker where id = ?', oldest)).toHaveLength(1);
    },
  );
});
