import { EmbeddedBroker } from '../../src/testing.ts';

// In a process of its own, as the broker it is compared with.
const [topic = '', file = ''] = process.argv.slice(2);
const broker = await EmbeddedBroker.start({
  topics: { [topic]: 'TRANSACTION' },
  groups: { readers: {} },
  ...(file === '' ? {} : { file }),
});
process.send?.(broker.endpoints);
// Whatever it is sent, it answers with its resident bytes.
process.on('message', () => process.send?.(process.memoryUsage.rss()));
process.once('disconnect', () => void broker.close());
