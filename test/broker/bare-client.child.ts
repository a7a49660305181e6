/** What the bare client does to a process. Arguments: scenario, endpoints. */
import { Producer } from 'rocketmq-client-nodejs';
import { bareProducer, quiet } from '../support/broker-bare-client.ts';

const [scenario, endpoints = ''] = process.argv.slice(2);
switch (scenario) {
  case 'failing-released-stream': {
    // The proxy says RECONNECT; the connection breaks while the released stream is still open.
    const producer = bareProducer(endpoints, ['orders']);
    await producer.startup();
    producer.getRpcClientManager().close();
    await producer.shutdown();
    break;
  }
  case 'default-logger':
    new Producer({ endpoints, namespace: '' }).getRpcClientManager().close();
    break;
  case 'shutdown-without-proxy': {
    const producer = bareProducer(endpoints, ['orders'], undefined, quiet);
    await producer.startup();
    process.stdout.write('started\n');
    break;
  }
  default:
    throw new Error(`no scenario ${scenario}`);
}
