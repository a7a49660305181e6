import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Consumer,
  type Delivery,
  InvalidMessageError,
  type TransactionalPublisher,
  defineTransactionListener,
  rocketmq,
  transactionMarker,
} from '../../src/index.ts';
import { MAX_BODY_BYTES } from '../../src/transaction/half-message.ts';
import { watchedBroker } from '../support/publishing-brokers.ts';
import { type Shop, openShop } from '../support/publishing-shop.ts';
import { outcomeOf } from './support/deliveries.ts';

interface Parcel {
  readonly key: string;
  readonly payload: unknown;
}

let shop: Shop;
let consumer: Consumer;
let publisher: TransactionalPublisher;
let broker: ReturnType<typeof watchedBroker>;
let parcels: ReturnType<typeof parcelListener>;

const parcelListener = (topic: string) =>
  defineTransactionListener<Parcel>({
    topic,
    tag: 'parcel',
    lookup: transactionMarker(),
    keys: ({ key }) => [key],
    payload: ({ payload }) => payload,
    execute: () => {},
  });
/** JSON puts a quotation mark on either side. */
const textOfBytes = (bytes: number): string => 'x'.repeat(bytes - 2);

async function receive(key: string): Promise<Delivery> {
  for (;;) {
    for (const delivery of await consumer.receive(1, 30_000)) {
      await delivery.ack();
      if (delivery.message.keys[0] === key) return delivery;
    }
  }
}

beforeAll(async () => {
  shop = await openShop('limits');
  parcels = parcelListener(shop.topic);
  broker = watchedBroker(rocketmq({ endpoints: shop.endpoints, requestTimeoutMs: 15_000 }), ({ keys }) => keys[0]!.startsWith('endless'));
  publisher = await shop.startPublisher({ broker, listeners: [parcels] });
  consumer = await shop.startConsumer();
});
afterAll(() => shop?.[Symbol.asyncDispose]());

describe('A payload', () => {
  it.each([
    ['of exactly the limit', 'at-the-limit', textOfBytes(MAX_BODY_BYTES)],
    ['of exactly the limit, its END lost: the check-back carries it as well', 'endless-at-the-limit', textOfBytes(MAX_BODY_BYTES)],
    ['that is an empty text', 'empty', ''],
    ['that is null', 'nothing', null],
    ['of control characters and four-byte letters', 'odd', 'a\u0000b\u0007\u{1f600}\ud800\u2028'],
  ])('%s goes through the broker unchanged', async (_what, key, payload) => {
    await publisher.publish(parcels, { key, payload });
    const { message } = await receive(key);
    expect(JSON.parse(Buffer.from(message.body).toString()) === payload).toBe(true);
  });

  it.each([
    ['one byte over the limit', textOfBytes(MAX_BODY_BYTES + 1), /the limit is/],
    ['undefined', undefined, /must be a JSON value/],
    ['without a JSON form', 1n, /cannot be written as JSON/],
  ])('%s is refused before anything is sent or written', async (_what, payload, message) => {
    const sent = broker.halves.length;
    const error = await outcomeOf(publisher.publish(parcels, { key: 'refused', payload }));
    expect(error).toBeInstanceOf(InvalidMessageError);
    expect(error).toMatchObject({ message: expect.stringMatching(message), acted: 'no' });
    expect(broker.halves).toHaveLength(sent);
  });
});

describe('A key or correlation id', () => {
  it.each([['tab\tinside'], ['new\nline'], ['with space'], ['nul\u0000'], ['\u007f'], ['no\u00a0break'], ['']])(
    '%j is refused as a key before anything is sent',
    async (key) => {
      const sent = broker.halves.length;
      expect(await outcomeOf(publisher.publish(parcels, { key, payload: 1 }))).toBeInstanceOf(InvalidMessageError);
      expect(broker.halves).toHaveLength(sent);
    },
  );

  it.each([['a\u0001b'], ['a\u0002b'], ['a\nb'], ['x'.repeat(129)], ['']])(
    '%j is refused as a correlation id before anything is sent',
    async (correlationId) => {
      const sent = broker.halves.length;
      expect(await outcomeOf(publisher.publish(parcels, { key: 'k', payload: 1 }, { correlationId }))).toBeInstanceOf(InvalidMessageError);
      expect(broker.halves).toHaveLength(sent);
    },
  );

  it.each([['größe-😀'], ['k'.repeat(8 * 1024)]])('%s arrives unchanged as a key', async (key) => {
    await publisher.publish(parcels, { key, payload: key.length });
    expect((await receive(key)).message.keys).toEqual([key]);
  });
});
