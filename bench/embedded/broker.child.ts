import { EmbeddedBroker } from '../../src/testing.ts';

// In a process of its own, as the broker it is compared with.
const [topic = '', file = ''] = process.argv.slice(2);
const broker = await EmbeddedBroker.start({ topics: { [topic]: 'TRANSACTION' }, ...(file === '' ? {} : { file }) });
process.send?.(broker.endpoints);
process.once('disconnect', () => void broker.close());
