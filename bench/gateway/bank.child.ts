// A bank that answers at once, in a process of its own: says its port, ends with the process that started it.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = JSON.stringify({ paymentId: 'pay-0123456789', status: 'ACCEPTED', orderId: 'order-1', amountMinor: 1250, currency: 'EUR' });
const HEADERS = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(ANSWER) };

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume();
  request.once('end', () => response.writeHead(201, HEADERS).end(ANSWER));
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.once('disconnect', () => process.exit());
