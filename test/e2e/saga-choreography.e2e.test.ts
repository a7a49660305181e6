import type { EntityManager } from '@mikro-orm/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type HalfMode,
  HalfMessageError,
  LocalTransactionError,
  type TransactionalPublisher,
  TransactionInDoubtError,
  createGateway,
  defineExternalCall,
  mysqlTransactionDatabase,
  rocketmq,
} from '../../src/index.ts';
import { OrderEntity } from '../../schema/index.ts';
import type { ResponseSnapshot } from '../../src/gateway/external-call-store.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { compensateByPublishing } from '../../src/saga/compensate-by-publishing.ts';
import { type Deliveries, collectDeliveries, outcomeOf } from '../faults/support/deliveries.ts';
import { type HeldStatement, type MysqlProxy, startMysqlProxy } from '../support/mysql-proxy.ts';
import { watchedBroker } from '../support/publishing-brokers.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { type Shop, openShop } from '../support/publishing-shop.ts';
import type { Doom, DoomedCompensation } from './support/doomed-compensation.ts';
import { recordFailure, refundOn } from './support/refund-orders.ts';

const PATIENCE = { timeout: 60_000, interval: 100 };

describe.each<{ half: HalfMode }>([{ half: 'beforeCommit' }, { half: 'first' }])(
  'A failure recorded by publishing its compensation, half $half',
  ({ half }) => {
    let shop: Shop;
    let proxy: MysqlProxy;
    let publisher: TransactionalPublisher;
    let broker: ReturnType<typeof watchedBroker>;
    let refund: ReturnType<typeof refundOn>;
    let deliveries: Deliveries;
    let isBrokerDeaf = false;
    let orders = 0;

    beforeAll(async () => {
      shop = await openShop('choreography');
      proxy = shop.use(await startMysqlProxy(shop.database.url));
      refund = refundOn(shop.topic, half);
      broker = watchedBroker(rocketmq({ endpoints: shop.endpoints, requestTimeoutMs: 30_000 }));
      const deaf: typeof broker = {
        ...broker,
        async startTransactionalProducer(options) {
          const producer = await broker.startTransactionalProducer(options);
          return {
            sendHalf: (message) =>
              isBrokerDeaf ? Promise.reject(new HalfMessageError('not confirmed', { retryable: true })) : producer.sendHalf(message),
            close: (deadlineMs) => producer.close(deadlineMs),
          };
        },
      };
      const database = mysqlTransactionDatabase(await shop.openOrm({ url: proxy.through(shop.database.url), poolSize: 4 }));
      publisher = await shop.startPublisher({ broker: deaf, database, listeners: [refund], inDoubtTimeoutMs: 1_500 });
      deliveries = shop.use(collectDeliveries(await shop.startConsumer()));
    });
    afterAll(() => shop?.[Symbol.asyncDispose]());

    const execute = (sql: string, binds: unknown[]): Promise<Record<string, unknown>[]> => shop.orm.em.getConnection().execute(sql, binds);
    /** An order whose payment is being made. */
    const anOrder = async (): Promise<string> => {
      const orderId = `order-${half}-${(orders += 1)}`;
      await execute(
        `insert into orders (id, transaction_id, customer_id, amount_minor, currency, status, created_at) values (?, ?, 'c', 1, 'EUR', 'PLACED', utc_timestamp(3))`,
        [orderId, orderId],
      );
      await execute(
        `insert into external_call (call_name, idempotency_key, correlation_id, status, created_at, updated_at) values ('charge', ?, 'c', 'PENDING', utc_timestamp(3), utc_timestamp(3))`,
        [orderId],
      );
      return orderId;
    };
    const stateOf = async (orderId: string): Promise<unknown> => {
      const [row] = await execute(
        'select c.status as failure, o.status as ordered from external_call c join orders o on o.id = c.idempotency_key where o.id = ?',
        [orderId],
      );
      return `${String(row?.['failure'])} ${String(row?.['ordered'])}`;
    };
    const fail = (orderId: string) => outcomeOf(compensateByPublishing(publisher, refund, { orderId })(recordFailure(orderId)));
    const deliveredTimes = (orderId: string): number => deliveries.orders.filter((order) => order.orderId === orderId).length;
    /** What was to be delivered before it, without a check-back, has been. */
    const sentinel = async (): Promise<void> => {
      const orderId = await anOrder();
      await fail(orderId);
      await deliveries.until(orderId);
    };

    it('is recorded and published', async () => {
      const orderId = await anOrder();
      expect(await fail(orderId)).toBeUndefined();
      expect(await stateOf(orderId)).toBe('FAIL REJECTED');
      await deliveries.until(orderId);
    });

    it('is published no second time when it is on record already', async () => {
      const orderId = await anOrder();
      await fail(orderId);
      expect(await fail(orderId)).toBeInstanceOf(LocalTransactionError);
      await deliveries.until(orderId);
      await sentinel();
      expect(new Set(deliveries.orders.filter((order) => order.orderId === orderId).map(({ transactionId }) => transactionId)).size).toBe(
        1,
      );
    });

    it('is neither recorded nor published when its work throws', async () => {
      const orderId = await anOrder();
      const inTransaction = compensateByPublishing(publisher, refund, { orderId });
      const outcome = await outcomeOf(
        inTransaction(async (em) => {
          await recordFailure(orderId)(em);
          throw new Error('onFail threw');
        }),
      );
      expect(outcome).toMatchObject({ name: 'LocalTransactionError', cause: { message: 'onFail threw' } });
      expect(await stateOf(orderId)).toBe('PENDING PLACED');
      await sentinel();
      expect(deliveredTimes(orderId)).toBe(0);
    });

    it('is not recorded while the broker takes no half message', async () => {
      const orderId = await anOrder();
      isBrokerDeaf = true;
      const outcome = await fail(orderId);
      isBrokerDeaf = false;
      expect(outcome).toBeInstanceOf(HalfMessageError);
      expect(await stateOf(orderId)).toBe('PENDING PLACED');
      expect(await fail(orderId)).toBeUndefined();
      await deliveries.until(orderId);
    });

    describe('when the answer to COMMIT is lost', () => {
      const losing = (take: (commit: HeldStatement) => void | Promise<void>) => proxy.intercept(/^commit$/i, take);

      it('is recorded and published when the server applied it', async () => {
        const orderId = await anOrder();
        const lost = losing(async (commit) => {
          await commit.forward();
          commit.cut();
        });
        expect(await fail(orderId)).toBeUndefined();
        await lost;
        expect(await stateOf(orderId)).toBe('FAIL REJECTED');
        await deliveries.until(orderId);
      });

      it('is neither when the server did not', async () => {
        const orderId = await anOrder();
        const lost = losing((commit) => commit.cut());
        expect(await fail(orderId)).toMatchObject({ name: 'LocalTransactionError', reason: 'refused' });
        await lost;
        expect(await stateOf(orderId)).toBe('PENDING PLACED');
        await sentinel();
        expect(deliveredTimes(orderId)).toBe(0);
      });

      it('is in doubt while the database stays away, and the next try finds its own success', async () => {
        const orderId = await anOrder();
        const lost = losing(async (commit) => {
          await commit.forward();
          commit.cut();
          proxy.goDown();
        });
        expect(await fail(orderId)).toBeInstanceOf(TransactionInDoubtError);
        await lost;
        proxy.pass();
        expect(await stateOf(orderId)).toBe('FAIL REJECTED');
        expect(await fail(orderId)).toMatchObject({ cause: { message: `${orderId} has its outcome already` } });
        await deliveries.until(orderId);
      });
    });

    it.each<{ doom: Doom; both: boolean }>([
      { doom: 'with the half sent', both: false },
      { doom: 'with the failure written', both: false },
      { doom: 'between COMMIT and END', both: true },
    ])('killed $doom, is settled by the check-back of another process', async ({ doom, both }) => {
      const orderId = await anOrder();
      const order: DoomedCompensation = { doom, half, orderId, endpoints: shop.endpoints, mysqlUrl: shop.database.url, topic: shop.topic };
      await using child = startProcess('test/e2e/support/doomed-compensation.ts', [JSON.stringify(order)]);
      const { how, stderr } = await child.ended;
      expect(how, stderr).toBe('SIGKILL');
      await expect.poll(() => stateOf(orderId), PATIENCE).toBe(both ? 'FAIL REJECTED' : 'PENDING PLACED');
      if (both) return deliveries.until(orderId);
      // The server notices that its client is gone; then the work is done again, and leads to one message.
      await expect.poll(() => fail(orderId), PATIENCE).toBeUndefined();
      await deliveries.until(orderId);
      await sentinel();
      expect(new Set(deliveries.orders.filter((other) => other.orderId === orderId).map(({ transactionId }) => transactionId)).size).toBe(
        1,
      );
    });

    describe('through the store of calls', () => {
      const REQUEST = {
        callName: 'charge',
        correlationId: 'c',
        origin: 'bank',
        method: 'POST',
        path: '/',
        headers: '[]',
        body: undefined,
        openedAt: new Date(),
      };
      const REFUSED: ResponseSnapshot = {
        httpStatus: 422,
        headers: '[]',
        body: undefined,
        isTruncated: false,
        failedPhase: undefined,
        times: { connectMs: 1, writeMs: 1, headersMs: 1, bodyMs: 1, totalMs: 4 },
        remoteAddress: undefined,
        errorCode: 'CB_CALL_REJECTED',
        errorChain: undefined,
        closedAt: new Date(),
      };
      const reject = (orderId: string) => async (em: EntityManager) =>
        void (await em.nativeUpdate(OrderEntity, { id: orderId }, { status: 'REJECTED' }));
      const publishing = (orderId: string) => compensateByPublishing(publisher, refund, { orderId });

      /** An attempt at an order's payment, its request record committed. */
      const attempt = async () => {
        const orderId = await anOrder();
        const store = mysqlExternalCallStore(shop.orm);
        const opened = await store.open({ ...REQUEST, idempotencyKey: orderId }, 60_000);
        if (opened.kind !== 'opened') throw new Error(`expected an opened attempt, got ${opened.kind}`);
        const close = (apply = reject(orderId)) => store.close(opened, REFUSED, 'FAIL', { apply, inTransaction: publishing(orderId) });
        const answers = async () =>
          (await execute('select status from external_call_response where call_id = ?', [opened.callId])).map(({ status }) => status);
        return { orderId, store, close, answers };
      };

      it('FAIL, its evidence, onFail and the event are one', async () => {
        const { orderId, close, answers } = await attempt();
        expect(await close()).toEqual({ kind: 'closed' });
        expect([await stateOf(orderId), await answers()]).toEqual(['FAIL REJECTED', ['FAIL']]);
        await deliveries.until(orderId);
        // Its answer was lost, and it is closed again.
        expect(await close()).toEqual({ kind: 'closed' });
        await sentinel();
        expect(new Set(deliveries.orders.filter((order) => order.orderId === orderId).map(({ transactionId }) => transactionId)).size).toBe(
          1,
        );
      });

      it('a throwing onFail leaves UNKNOWN with its evidence, and no event', async () => {
        const { orderId, close, answers } = await attempt();
        const closed = await close(async (em) => {
          await reject(orderId)(em);
          throw new Error('onFail threw');
        });
        expect(closed).toMatchObject({ kind: 'apply-failed', error: { message: 'onFail threw' } });
        expect([await stateOf(orderId), await answers()]).toEqual(['UNKNOWN PLACED', ['UNKNOWN']]);
        await sentinel();
        expect(deliveredTimes(orderId)).toBe(0);
      });

      it('a lease that was lost keeps the evidence, and leads to no event', async () => {
        const { orderId, close, answers } = await attempt();
        await execute(`update external_call set status = 'UNKNOWN', lease_owner = null where idempotency_key = ?`, [orderId]);
        expect(await close()).toEqual({ kind: 'lease-lost' });
        expect([await stateOf(orderId), await answers()]).toEqual(['UNKNOWN PLACED', ['FAIL']]);
        await sentinel();
        expect(deliveredTimes(orderId)).toBe(0);
      });

      it('a broker that takes no half message leaves everything as it was, to be closed again', async () => {
        const { orderId, close, answers } = await attempt();
        isBrokerDeaf = true;
        const outcome = await outcomeOf(close());
        isBrokerDeaf = false;
        expect(outcome).toBeInstanceOf(HalfMessageError);
        expect([await stateOf(orderId), await answers()]).toEqual(['PENDING PLACED', []]);
        expect(await close()).toEqual({ kind: 'closed' });
        await deliveries.until(orderId);
      });

      it('the bank’s refusal of a call is that one decision, however often the call is made; its acceptance publishes nothing', async () => {
        const gateway = createGateway({ origins: { bank: shop.bank.origin }, store: mysqlExternalCallStore(shop.orm) });
        const call = defineExternalCall<object>({
          name: 'charge',
          origin: 'bank',
          method: 'POST',
          path: '/payments',
          timeouts: { readMs: 20_000, totalMs: 30_000 },
        });
        const charge = async (orderId: string) => {
          const { status } = await gateway.call(
            call,
            {},
            {
              idempotencyKey: orderId,
              correlationId: orderId,
              apply: (em, end) => (end.status === 'FAIL' ? reject(orderId)(em) : Promise.resolve()),
              inTransaction: (end) => (end.status === 'FAIL' ? publishing(orderId) : undefined),
            },
          );
          return status;
        };
        try {
          const [refused, accepted] = [await anOrder(), await anOrder()];
          shop.bank.follow([{ kind: 'reject' }]);
          expect([await charge(refused), await charge(refused), await charge(accepted)]).toEqual(['FAIL', 'FAIL', 'SUCCESS']);
          expect([await stateOf(refused), await stateOf(accepted)]).toEqual(['FAIL REJECTED', 'SUCCESS PLACED']);
          await deliveries.until(refused);
          await sentinel();
          expect(deliveredTimes(accepted)).toBe(0);
          expect(
            new Set(deliveries.orders.filter(({ orderId }) => orderId === refused).map(({ transactionId }) => transactionId)).size,
          ).toBe(1);
        } finally {
          await gateway.close();
        }
      });

      it('a status check that finds FAIL publishes too, once', async () => {
        const { orderId, store } = await attempt();
        await execute(`update external_call set status = 'UNKNOWN', lease_owner = null where idempotency_key = ?`, [orderId]);
        const resolve = () =>
          store.resolveUnknown('charge', orderId, 'FAIL', { apply: reject(orderId), inTransaction: publishing(orderId) });
        expect((await Promise.all([resolve(), resolve(), resolve()])).filter(Boolean)).toEqual([true]);
        expect(await stateOf(orderId)).toBe('FAIL REJECTED');
        await deliveries.until(orderId);
        await sentinel();
        expect(new Set(deliveries.orders.filter((order) => order.orderId === orderId).map(({ transactionId }) => transactionId)).size).toBe(
          1,
        );
      });
    });
  },
);
