import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { RequestContext } from '@mikro-orm/core';
import { OrderEntity } from '../../schema/index.ts';
import type { PlaceOrder } from '../place-order.transaction.ts';
import { type Orders, answerOrder } from './orders.ts';

/** Plain Node: POST /orders publishes, GET /orders/:id reads. Each request has an EntityManager of its own. */
export function orderServer(orders: Orders): Server {
  return createServer((request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const handle = async (): Promise<void> => {
      const [, collection, id] = (request.url ?? '').split('/');
      if (collection !== 'orders') return answer(404, {});
      if (request.method === 'POST') {
        const { status, body } = await answerOrder(orders, (await json(request)) as PlaceOrder);
        return answer(status, body);
      }
      const order = await RequestContext.getEntityManager()!.findOne(OrderEntity, { id: id ?? '' });
      return order === null ? answer(404, {}) : answer(200, { orderId: order.id, status: order.status });
    };
    RequestContext.create(orders.orm.em, () => void handle().catch(() => answer(400, {})));
  });
}

/** For SIGTERM: answers what is under way, takes nothing new, then lets go of broker and database. */
export async function stopOrderServer(server: Server, orders: Orders): Promise<void> {
  const closed = once(server.close(), 'close');
  server.closeIdleConnections();
  await closed;
  await orders.close();
}
