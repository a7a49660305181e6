import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { type AnyMessageListener, defineExternalCall, defineMessageListener } from '../../../src/index.ts';

/** Charges orders of a topic; gives a message up at its second delivery. Imports nothing of vitest: child processes use it too. */
export const chargeOn = (topic: string, group: string): AnyMessageListener =>
  defineMessageListener<{ orderId: string }, string>({
    name: 'charge',
    topic,
    group,
    payload: { 1: z.object({ orderId: z.string() }) },
    call: defineExternalCall<string>({
      name: 'charge-payment',
      origin: 'bank',
      method: 'POST',
      path: '/payments',
      body: (orderId) => ({ orderId }),
      retry: { maxAttempts: 1 },
      timeouts: { connectMs: 10_000, writeMs: 10_000, readMs: 15_000, totalMs: 20_000 },
    }),
    input: ({ payload }) => payload.orderId,
    idempotencyKey: ({ payload }) => payload.orderId,
    retry: { maxDeliveries: 2, baseMs: 1, maxMs: 1 },
  });

/** A bank on the loopback that is closed at first and does every payment it takes, whatever came before. */
export const openBank = async () => {
  const payments: string[] = [];
  const asked: string[] = [];
  let isOpen = false;
  const server = createServer((request, response) => {
    const key = String(request.headers['idempotency-key']);
    asked.push(key);
    if (isOpen) payments.push(key);
    // Without Retry-After a 503 may be a gateway's own, and the outcome unknown.
    const headers = { 'content-type': 'application/json', 'retry-after': '1' };
    request.resume().on('end', () => response.writeHead(isOpen ? 201 : 503, headers).end('{}'));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    payments,
    asked,
    open: () => void (isOpen = true),
    close: () => new Promise<void>((closed) => (server.closeAllConnections(), server.close(() => closed()))),
  };
};
