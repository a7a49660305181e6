import { RequestContext } from '@mikro-orm/core';
import express, { type Express } from 'express';
import { OrderEntity } from '../../schema/index.ts';
import type { PlaceOrder } from '../place-order.transaction.ts';
import { type Orders, answerOrder } from './orders.ts';

/* oxlint-disable oxc/no-async-endpoint-handlers -- Express 5 passes rejections on */
/** Express 5, whose handlers may be async. Serve it with `createServer(orderApp(orders))` and stop it as plain Node is stopped. */
export function orderApp(orders: Orders): Express {
  const app = express();
  app.use(express.json());
  // One EntityManager a request. publish() takes a transaction of its own in it.
  app.use((_request, _response, next) => RequestContext.create(orders.orm.em, next));

  app.post('/orders', async (request, response) => {
    const { status, body } = await answerOrder(orders, request.body as PlaceOrder);
    response.status(status).json(body);
  });
  app.get('/orders/:id', async (request, response) => {
    const order = await RequestContext.getEntityManager()!.findOne(OrderEntity, { id: request.params['id'] ?? '' });
    if (order === null) response.status(404).json({});
    else response.json({ orderId: order.id, status: order.status });
  });
  return app;
}
