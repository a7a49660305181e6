import { gzipSync } from 'node:zlib';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type { MessageQueue } from 'rocketmq-client-nodejs/dist/route/MessageQueue.js';
import { MessageView } from 'rocketmq-client-nodejs';
import { describe, expect, it } from 'vitest';
import { undecodedView } from '../../src/broker/rocketmq/dead-letter.ts';
import { receivedMessage } from '../../src/broker/rocketmq/received-message.ts';

const QUEUE = { broker: { endpoints: {} } } as unknown as MessageQueue;

const wire = (body: Buffer, change: (system: InstanceType<typeof definitions.SystemProperties>) => void) => {
  const system = new definitions.SystemProperties().setMessageId('m1').setTag('placed').setReceiptHandle('r1').setDeliveryAttempt(3);
  system.setBodyDigest(new definitions.Digest());
  system.addKeys('k1');
  change(system);
  const message = new definitions.Message()
    .setTopic(new definitions.Resource().setName('%DLQ%g'))
    .setSystemProperties(system)
    .setBody(body);
  message.getUserPropertiesMap().set('checkback-correlation-id', 'c-1');
  return message;
};

describe('undecodedView', () => {
  it.each([
    ['is no gzip although it says so', Buffer.from('not gzip'), (system) => void system.setBodyEncoding(definitions.Encoding.GZIP)],
    ['has no digest', Buffer.from('{}'), (system) => void system.setBodyDigest()],
    [
      'does not match its digest',
      gzipSync('{}'),
      (system) => void system.setBodyDigest(new definitions.Digest().setType(definitions.DigestType.CRC32).setChecksum('0')),
    ],
  ] as [string, Buffer, (system: InstanceType<typeof definitions.SystemProperties>) => void][])(
    'gives the bytes of a body that %s',
    (_what, body, change) => {
      const message = wire(body, change);
      let isDecodable = true;
      try {
        isDecodable = !new MessageView(message, QUEUE).corrupted;
      } catch {
        isDecodable = false;
      }
      expect(isDecodable).toBe(false);

      const view = undecodedView(message, QUEUE);
      expect(view.receiptHandle).toBe('r1');
      expect(receivedMessage(view)).toMatchObject({
        messageId: 'm1',
        topic: '%DLQ%g',
        tag: 'placed',
        keys: ['k1'],
        properties: { 'checkback-correlation-id': 'c-1' },
        deliveryAttempt: 3,
      });
      expect(Buffer.from(view.body).equals(body)).toBe(true);
    },
  );
});
