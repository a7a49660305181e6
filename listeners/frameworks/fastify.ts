import { RequestContext } from '@mikro-orm/core';
import fastify, { type FastifyInstance } from 'fastify';
import { OrderEntity } from '../../schema/index.ts';
import type { PlaceOrder } from '../place-order.transaction.ts';
import { type Orders, answerOrder } from './orders.ts';

/** Fastify: `app.close()` answers what is under way, then lets go of broker and database. */
export function orderApp(orders: Orders): FastifyInstance {
  const app = fastify();
  // One EntityManager a request. publish() takes a transaction of its own in it.
  app.addHook('onRequest', (_request, _reply, done) => RequestContext.create(orders.orm.em, done));
  app.addHook('onClose', () => orders.close());

  app.post<{ Body: PlaceOrder }>('/orders', async (request, reply) => {
    const { status, body } = await answerOrder(orders, request.body);
    return reply.code(status).send(body);
  });
  app.get<{ Params: { id: string } }>('/orders/:id', async (request, reply) => {
    const order = await RequestContext.getEntityManager()!.findOne(OrderEntity, { id: request.params.id });
    return order === null ? reply.code(404).send({}) : { orderId: order.id, status: order.status };
  });
  return app;
}
