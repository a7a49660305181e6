import { Producer, PublishingMessage } from 'rocketmq-client-nodejs';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { Code } from '../../src/broker/rocketmq/client-package.ts';
import { internals } from '../../src/broker/rocketmq/client-internals.ts';

const PER_REQUEST = 32;
const AT_ONCE = 8;

/** Puts `count` small orders into a NORMAL topic, many to a request. */
export async function fillTopic(endpoints: string, topic: string, count: number, signal: AbortSignal): Promise<void> {
  const producer = new Producer({ endpoints, namespace: '', topics: [topic], logger: { debug() {}, info() {}, warn() {}, error() {} } });
  await producer.startup();
  try {
    const queues = (await internals(producer).getRouteData(topic)).messageQueues;
    let sent = 0;
    const sendSome = async (nth: number): Promise<void> => {
      while (sent < count) {
        signal.throwIfAborted();
        const from = sent;
        const until = Math.min(count, from + PER_REQUEST);
        sent = until;
        const queue = queues[nth % queues.length]!;
        const request = new serviceMessages.SendMessageRequest();
        for (let n = from; n < until; n += 1) {
          const body = Buffer.from(JSON.stringify({ orderId: `order-${n}`, amount: 100 + (n % 900), currency: 'EUR' }));
          request.addMessages(
            new PublishingMessage({ topic, tag: 'placed', keys: [`order-${n}`], body }, producer.publishingSettings, false).toProtobuf(
              '',
              queue,
            ),
          );
        }
        const answer = (await producer.getRpcClientManager().sendMessage(queue.broker.endpoints, request, 10_000)).toObject();
        if (answer.status?.code !== Code.OK || answer.entriesList.some(({ status }) => status?.code !== Code.OK))
          throw new Error(`the broker did not take the messages: ${JSON.stringify(answer.status)}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, nth) => sendSome(nth)));
  } finally {
    await producer.shutdown().catch(() => {});
  }
}
