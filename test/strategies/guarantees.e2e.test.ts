import { describe, expect, it } from 'vitest';
import { HalfMessageError, LocalTransactionError } from '../../src/errors.ts';
import type { PublishStrategy } from '../../src/index.ts';
import { EmbeddedBroker } from '../../src/testing.ts';
import { THROWING_CUSTOMER, anOrder } from '../support/publishing-listeners.ts';
import { startProcess } from '../support/publishing-processes.ts';
import type { Doomed } from './support/publish-and-die.child.ts';
import { openStrategyShop } from './support/strategy-shop.ts';

/** What a strategy promises beside what all of them do; docs/strategies.md says the same in words. */
interface Claims {
  readonly strategy: PublishStrategy;
  /** A process killed right after COMMIT loses no message. */
  readonly survivesKillAfterCommit: boolean;
  readonly takesOrdersWithoutBroker: boolean;
  /** Messages of one topic and key are stored in the order of their transactions. */
  readonly keepsOrderOfKey: boolean;
}

const STRATEGIES: readonly Claims[] = [
  { strategy: 'halfMessage', survivesKillAfterCommit: true, takesOrdersWithoutBroker: false, keepsOrderOfKey: false },
  { strategy: 'pollingOutbox', survivesKillAfterCommit: true, takesOrdersWithoutBroker: true, keepsOrderOfKey: true },
  { strategy: 'changeDataCapture', survivesKillAfterCommit: true, takesOrdersWithoutBroker: true, keepsOrderOfKey: true },
  { strategy: 'localSegmentedOutbox', survivesKillAfterCommit: false, takesOrdersWithoutBroker: true, keepsOrderOfKey: true },
];

const numbered = (count: number, name = 'order'): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${String(index).padStart(4, '0')}`);

describe.each(STRATEGIES)('Guarantees of $strategy', ({ strategy, survivesKillAfterCommit, takesOrdersWithoutBroker, keepsOrderOfKey }) => {
  it('delivers what committed and nothing else; publish() says which is which', async () => {
    await using shop = await openStrategyShop(strategy);
    const { publisher, placeOrder } = await shop.startPublisher();
    const queue = numbered(200).values();
    const resolved: string[] = [];
    const refused: unknown[] = [];
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (const id of queue) {
          const isFailing = Number(id.slice(-4)) % 5 === 2;
          const published = publisher.publish(placeOrder, anOrder(id, isFailing ? { customerId: THROWING_CUSTOMER } : {}));
          const error = await published.then(
            () => undefined,
            (reason: unknown) => reason,
          );
          if (error === undefined) resolved.push(id);
          else refused.push(error);
        }
      }),
    );
    const rows = await shop.orderIds();
    expect(resolved.toSorted()).toEqual(rows);
    expect(refused.every((error) => error instanceof LocalTransactionError)).toBe(true);
    expect(rows).toHaveLength(160);
    await publisher.publish(placeOrder, anOrder('sentinel'));
    const delivered = await shop.receiveUntil((ids) => ids.has('sentinel') && rows.every((id) => ids.has(id)));
    expect([...new Set(delivered)].toSorted()).toEqual([...rows, 'sentinel'].toSorted());
  });

  it(`${survivesKillAfterCommit ? 'loses nothing' : 'does lose the message'} when its process is killed right after a COMMIT, and delivers nothing that did not commit`, async () => {
    await using shop = await openStrategyShop(strategy);
    // A reader of the binlog begins where it first looked: it must have looked before the first order.
    if (strategy === 'changeDataCapture') await (await shop.startPublisher())[Symbol.asyncDispose]();
    const doomed: Doomed = { ...shop.place, orderIds: numbered(30, 'doomed'), diesAt: 20 };
    await using child = startProcess<{ caught: string }>('test/strategies/support/publish-and-die.child.ts', [JSON.stringify(doomed)]);
    const { how, reports, stderr } = await child.ended;
    expect(how, stderr).toBe('SIGKILL');
    const { caught } = reports[0]!;
    const rows = await shop.orderIds();
    expect(rows).toContain(caught);

    const { publisher, placeOrder } = await shop.startPublisher();
    await publisher.publish(placeOrder, anOrder('sentinel'));
    const promised = survivesKillAfterCommit ? rows : rows.filter((id) => id !== caught);
    const delivered = await shop.receiveUntil((ids) => ids.has('sentinel') && promised.every((id) => ids.has(id)));
    // The sentinel came after all there was to come: what is not here by now was not kept.
    expect([...new Set(delivered)].toSorted()).toEqual([...promised, 'sentinel'].toSorted());
  });

  it(`${takesOrdersWithoutBroker ? 'takes orders' : 'refuses orders and writes nothing'} while the broker is away, and goes on when it is back`, async () => {
    await using broker = { broker: await EmbeddedBroker.start(), [Symbol.asyncDispose]: () => broker.broker.close() };
    const { faults } = broker.broker;
    await using shop = await openStrategyShop(strategy, broker.broker);
    const { publisher, placeOrder } = await shop.startPublisher();
    await faults.crash();
    for (const id of numbered(5)) {
      const published = publisher.publish(placeOrder, anOrder(id));
      if (takesOrdersWithoutBroker) await published;
      // oxlint-disable-next-line vitest/no-conditional-expect -- the claim is the condition
      else await expect(published).rejects.toBeInstanceOf(HalfMessageError);
    }
    const rows = await shop.orderIds();
    expect(rows).toEqual(takesOrdersWithoutBroker ? numbered(5) : []);

    await faults.recover();
    await expect
      .poll(() => publisher.publish(placeOrder, anOrder('sentinel')).then(() => 'taken', String), { timeout: 60_000, interval: 500 })
      .toMatch(/taken|Duplicate/);
    const delivered = await shop.receiveUntil((ids) => ids.has('sentinel') && rows.every((id) => ids.has(id)));
    expect([...new Set(delivered)].toSorted()).toEqual([...rows, 'sentinel'].toSorted());
  });

  it.runIf(keepsOrderOfKey)('stores the messages of one key in the order of their transactions', async () => {
    await using shop = await openStrategyShop(strategy);
    const { publisher, placeOrder } = await shop.startPublisher();
    for (const id of numbered(40)) await publisher.publish(placeOrder, anOrder(id));
    const delivered = await shop.receiveUntil((ids) => ids.size === 40);
    expect([...new Set(delivered)]).toEqual(numbered(40));
  });
});
