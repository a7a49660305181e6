/** Opens a long poll and tells so; then it is killed. Its argument: endpoints, topic and group, as JSON. */
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';

const { endpoints, topic, group } = JSON.parse(process.argv[2]!) as { endpoints: string; topic: string; group: string };
const consumer = await rocketmq({ endpoints }).startConsumer({ topic, group, longPollMs: 15_000 });
const polling = consumer.receive(16, 10_000);
// The request has left within a turn of the event loop; what the broker does with it is not ours to see.
setTimeout(() => process.stdout.write('{"kind":"polling"}\n'), 500);
await polling;
