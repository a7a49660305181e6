/**
 * A plain producer in a process of its own, which must end by itself: nothing here calls `process.exit`. Arguments:
 * scenario, endpoints, topic. After `close()` it prints what would keep it alive, as JSON.
 */
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';

const [scenario, endpoints = '', topic = ''] = process.argv.slice(2);
const broker = rocketmq({ endpoints, requestTimeoutMs: 1_000, startTimeoutMs: scenario === 'silent' ? 1_500 : 10_000 });
if (scenario !== 'sending') {
  await broker
    .startProducer({ topic, type: scenario === 'refused' ? 'DELAY' : 'NORMAL' })
    .catch((error: unknown) => process.stdout.write(`${(error as Error).name}\n`));
} else {
  const producer = await broker.startProducer({ topic });
  void producer.send({ topic, tag: 't', keys: [], properties: {}, body: Buffer.from('{}') }).catch(() => {});
  await producer.close();
}
// Closing sockets report in the next turn.
await new Promise((resolve) => setImmediate(resolve));
const alive = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || /TCP|TLS|Getaddr/.test(name));
process.stdout.write(`${JSON.stringify(alive)}\n`);
