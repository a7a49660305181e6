import { afterEach, describe, expect, it } from 'vitest';
import { conformance, next } from '../conformance/harness.ts';
import { EmbeddedBroker } from '../../src/testing.ts';

describe('The body of a message', () => {
  let broker: EmbeddedBroker;
  const open = conformance(() => broker.endpoints);
  afterEach(async () => {
    await open.closeAll();
    await broker.close();
  });

  it('may have 4 MiB and not a byte more, whatever the client believes', async () => {
    broker = await EmbeddedBroker.start({ topics: { t: 'NORMAL' }, groups: { g: {} }, settings: { minLongPollMs: 1_000 } });
    const consumer = await open.consumer('t', 'g');
    const { producer } = await open.bare('t');
    Object.defineProperty(producer.publishingSettings, 'maxBodySizeBytes', { value: 10_000_000 });
    const body = Buffer.alloc(4 * 1_024 * 1_024, 'x');
    const { messageId } = await producer.send({ topic: 't', body });
    const delivery = await next(consumer);
    expect(delivery.message.messageId).toBe(messageId);
    expect(body.equals(delivery.message.body)).toBe(true);
    await expect(producer.send({ topic: 't', body: Buffer.alloc(body.length + 1) })).rejects.toMatchObject({ code: 41301 });
  });
});
