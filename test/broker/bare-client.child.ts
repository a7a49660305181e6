/** What the bare client does to a process. Arguments: scenario, endpoints. */
import { Producer } from 'rocketmq-client-nodejs';
import { bareProducer } from '../support/broker-bare-client.ts';

const [scenario, endpoints = ''] = process.argv.slice(2);
switch (scenario) {
  case 'startup':
    await bareProducer(endpoints, ['orders']).startup();
    break;
  case 'default-logger': {
    const producer = new Producer({ endpoints, namespace: '' });
    await producer.shutdown();
    break;
  }
  default:
    throw new Error(`no scenario ${scenario}`);
}
