import type { Consumer } from '../../src/index.ts';

/** Receives and acknowledges until an order of that id came; gives the ids of all that came, in their order. Bounded by the test's own time. */
export async function deliveredUntil(consumer: Consumer, orderId: string): Promise<string[]> {
  const delivered: string[] = [];
  while (!delivered.includes(orderId)) {
    for (const delivery of await consumer.receive(32, 10_000)) {
      delivered.push((JSON.parse(Buffer.from(delivery.message.body).toString()) as { orderId: string }).orderId);
      await delivery.ack();
    }
  }
  return delivered;
}
