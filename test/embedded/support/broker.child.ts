import { EmbeddedBroker } from '../../../src/testing.ts';

/** A broker to be killed. Tells its port, then the notes of its undecided halves whenever it is asked. */
const [file = '', port = '0'] = process.argv.slice(2);
const broker = await EmbeddedBroker.start({
  file,
  port: Number(port),
  topics: { orders: 'TRANSACTION' },
  groups: { bank: {} },
  settings: { minLongPollMs: 100, opBatchIntervalMs: 10 },
});
process.on('message', () => process.send?.(broker.inspect.halfMessages().map(({ properties }) => properties['note'])));
process.once('disconnect', () => void broker.close());
process.send?.(broker.endpoints);
