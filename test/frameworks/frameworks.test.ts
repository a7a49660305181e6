import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RequestContext } from '@mikro-orm/core';
import { NestFactory } from '@nestjs/core';
import fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as express from '../../listeners/frameworks/express.ts';
import * as withFastify from '../../listeners/frameworks/fastify.ts';
import { OrderPublisher, OrdersModule } from '../../listeners/frameworks/nestjs.ts';
import { orderServer, stopOrderServer } from '../../listeners/frameworks/node.ts';
import { answerOrder, openOrders } from '../../listeners/frameworks/orders.ts';
import { type PlaceOrder, placeOrder } from '../../listeners/index.ts';
import { OrderEntity } from '../../schema/index.ts';
import { type Consumer, ForeignTransactionError, rocketmq } from '../../src/index.ts';
import { EmbeddedBroker } from '../../src/testing.ts';
import { createSqlite } from '../support/sqlite.ts';

interface Place {
  readonly endpoints: string;
  readonly databaseUrl: string;
}

/** A service that listens on loopback, and how it is told to end. */
interface Service {
  readonly address: string;
  /** Whether it answers GET. */
  readonly isRead: boolean;
  stop(): Promise<void>;
}

const listening = async (server: ReturnType<typeof createServer>): Promise<string> => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const FRAMEWORKS: Readonly<Record<string, (place: Place) => Promise<Service>>> = {
  'plain Node': async (place) => {
    const orders = await openOrders(place);
    const server = orderServer(orders);
    return { address: await listening(server), isRead: true, stop: () => stopOrderServer(server, orders) };
  },
  Express: async (place) => {
    const orders = await openOrders(place);
    const server = createServer(express.orderApp(orders));
    return { address: await listening(server), isRead: true, stop: () => stopOrderServer(server, orders) };
  },
  Fastify: async (place) => {
    const app = withFastify.orderApp(await openOrders(place));
    return { address: await app.listen({ port: 0, host: '127.0.0.1' }), isRead: true, stop: () => app.close() };
  },
  // An application context has no HTTP of its own: where a controller would stand, a route asks the provider.
  NestJS: async (place) => {
    const nest = await NestFactory.createApplicationContext(OrdersModule.forRoot(place), { logger: false });
    const app = fastify();
    app.post<{ Body: PlaceOrder }>('/orders', async (request, reply) => {
      const { status, body } = await nest.get(OrderPublisher).place(request.body);
      return reply.code(status).send(body);
    });
    const address = await app.listen({ port: 0, host: '127.0.0.1' });
    return {
      address,
      isRead: false,
      stop: async () => {
        await app.close();
        await nest.close();
      },
    };
  },
};

const NAMES = Object.keys(FRAMEWORKS);
const groupOf = (name: string): string => `watch-${name.replaceAll(' ', '-')}`;
let broker: EmbeddedBroker;

beforeAll(async () => {
  const groups = Object.fromEntries(NAMES.map((name) => [groupOf(name), { retryMaxTimes: 1_000 }]));
  // Nobody is to be asked back here: every END arrives.
  broker = await EmbeddedBroker.start({ topics: { orders: 'TRANSACTION' }, groups, settings: { minLongPollMs: 1_000 } });
});

afterAll(() => broker?.close());

const post = (address: string, order: object): Promise<Response> =>
  fetch(`${address}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify(order),
  });

/** As a client does that is told to try again: nothing has happened then. The machine may be busy. */
async function place(address: string, order: object): Promise<Response> {
  for (;;) {
    const answer = await post(address, order);
    if (answer.status !== 503) return answer;
  }
}

const read = async (address: string, id: string): Promise<unknown> =>
  (await fetch(`${address}/orders/${id}`, { headers: { connection: 'close' } })).json();

const anOrder = (orderId: string, amountMinor = 4_200): PlaceOrder => ({ orderId, customerId: 'c-1', amountMinor, currency: 'EUR' });

/** Receives until the message with this key has come. */
async function delivered(consumer: Consumer, orderId: string): Promise<unknown> {
  for (;;) {
    for (const delivery of await consumer.receive(16, 30_000, AbortSignal.timeout(30_000))) {
      await delivery.ack();
      if (delivery.message.keys.includes(orderId)) return JSON.parse(Buffer.from(delivery.message.body).toString());
    }
  }
}

describe.each(NAMES)('The worked example in %s', { timeout: 240_000 }, (name) => {
  it('answers an order with its row committed and its message delivered, refuses a bad one, and leaves nothing alive', async () => {
    const sqlite = await createSqlite();
    const watcher = await rocketmq({ endpoints: broker.endpoints }).startConsumer({ topic: 'orders', group: groupOf(name) });
    const service = await FRAMEWORKS[name]!({ endpoints: broker.endpoints, databaseUrl: sqlite.url });
    const rows = (await sqlite.open()).em.fork();
    try {
      const order = anOrder(`o-${groupOf(name)}`);
      const placed = await place(service.address, order);
      expect([placed.status, await placed.json()]).toEqual([201, { orderId: order.orderId, status: 'PLACED' }]);
      expect(await rows.findOne(OrderEntity, { id: order.orderId })).toMatchObject({ status: 'PLACED', amountMinor: 4_200n });
      expect(await delivered(watcher, order.orderId)).toEqual(order);

      const refused = await place(service.address, anOrder('o-refused', 0));
      expect([refused.status, await refused.json()]).toEqual([422, { orderId: 'o-refused', status: 'REFUSED' }]);
      expect(await rows.findOne(OrderEntity, { id: 'o-refused' })).toBeNull();

      const reads = await Promise.all((service.isRead ? [order.orderId, 'nobody'] : []).map((id) => read(service.address, id)));
      expect(reads).toEqual(service.isRead ? [{ orderId: order.orderId, status: 'PLACED' }, {}] : []);
    } finally {
      await service.stop();
    }
    await expect(post(service.address, anOrder('too-late'))).rejects.toThrow(/fetch failed/);
    await watcher.close();
    await expect.poll(() => broker.inspect.stats.connections, { timeout: 60_000 }).toBe(0);
    await sqlite.drop();
  });
});

describe('publish() in the request context of a framework', { timeout: 240_000 }, () => {
  it('has a transaction of its own there, and is refused inside one that somebody else opened', async () => {
    const sqlite = await createSqlite();
    const orders = await openOrders({ endpoints: broker.endpoints, databaseUrl: sqlite.url });
    await RequestContext.create(orders.orm.em, async () => {
      const em = RequestContext.getEntityManager()!;
      await expect.poll(async () => (await answerOrder(orders, anOrder('in-context'))).status, { timeout: 60_000 }).toBe(201);
      await expect(em.transactional(() => orders.publisher.publish(placeOrder, anOrder('inside')))).rejects.toThrow(
        ForeignTransactionError,
      );
      expect(await em.find(OrderEntity, {})).toMatchObject([{ id: 'in-context' }]);
    });
    await orders.close();
    await sqlite.drop();
  });
});
