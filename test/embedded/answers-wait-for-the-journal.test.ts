import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { afterEach, describe, expect, it } from 'vitest';
import { resolveEmbeddedBrokerSettings } from '../../src/embedded/broker-settings.ts';
import type { BrokerContext } from '../../src/embedded/wire/broker-call.ts';
import { ClientSessions } from '../../src/embedded/wire/client-sessions.ts';
import { endTransaction } from '../../src/embedded/wire/end-transaction.ts';
import { sendMessages } from '../../src/embedded/wire/send-messages.ts';
import { pureBroker } from './support/pure-broker.ts';

describe('An answer', () => {
  let world: ReturnType<typeof pureBroker>;
  afterEach(() => world.close());

  it.each(['send', 'END'])('to a %s is given when the journal is flushed, and not before', async (what) => {
    world = pureBroker();
    world.broker.createTopic('t', 'TRANSACTION');
    const gate = Promise.withResolvers<void>();
    let isGated = what === 'send';
    const context: BrokerContext = {
      broker: world.broker,
      sessions: new ClientSessions(1),
      settings: resolveEmbeddedBrokerSettings(),
      faults: world.faults,
      clock: world.clock,
      brokerName: 'b',
      autoCreateTopics: undefined,
      autoCreateGroups: undefined,
      address: () => ({ host: '127.0.0.1', port: 1 }),
      flushed: () => (isGated ? gate.promise : Promise.resolve()),
    };
    const topic = new definitions.Resource().setName('t');
    const system = new definitions.SystemProperties().setMessageId('m').setMessageType(definitions.MessageType.TRANSACTION);
    const send = new serviceMessages.SendMessageRequest();
    send.addMessages(new definitions.Message().setTopic(topic).setBody(Buffer.from('x')).setSystemProperties(system));
    let answering: Promise<unknown> = sendMessages(context, { request: send, clientId: 'c', peer: 'p' });
    if (what === 'END') {
      await answering;
      isGated = true;
      const end = new serviceMessages.EndTransactionRequest().setTopic(topic).setMessageId('m').setTransactionId('m');
      end.setResolution(definitions.TransactionResolution.COMMIT);
      answering = endTransaction(context, { request: end, clientId: 'c', peer: 'p' });
    }
    let isAnswered = false;
    void answering.then(() => (isAnswered = true));
    await new Promise(setImmediate);
    expect(isAnswered).toBe(false);
    gate.resolve();
    await answering;
  });
});
