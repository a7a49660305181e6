import { BrokerError, type Consumer } from '../../src/index.ts';

/**
 * Receives and acknowledges until an order of that id came; gives the ids of all that came, in their order. A broker that
 * is not back yet, or whose connection is not, is asked again, as a worker does. Bounded by the test's own time.
 */
export async function deliveredUntil(consumer: Consumer, orderId: string): Promise<string[]> {
  const delivered: string[] = [];
  while (!delivered.includes(orderId)) {
    const batch = await consumer.receive(32, 10_000).catch(async (error: unknown) => {
      if (!(error instanceof BrokerError) || !error.retryable) throw error;
      // A closed port answers at once.
      await new Promise((resolve) => setTimeout(resolve, 100));
      return [];
    });
    for (const delivery of batch) {
      delivered.push((JSON.parse(Buffer.from(delivery.message.body).toString()) as { orderId: string }).orderId);
      await delivery.ack();
    }
  }
  return delivered;
}
