import fc from 'fast-check';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { describe, expect, it } from 'vitest';
import { decodeEndStatus, encodeEndTransaction } from '../../../src/broker/rocketmq/lean/end-transaction.ts';
import { unaryMessage } from '../../../src/broker/rocketmq/lean/grpc-frame.ts';
import { ProtobufReader } from '../../../src/broker/rocketmq/lean/protobuf-reader.ts';
import { decodeSendResult, encodeSendMessage } from '../../../src/broker/rocketmq/lean/send-message.ts';

const OK: number = definitions.Code.OK;
const { Code, Encoding, MessageType, Status, TransactionResolution, TransactionSource } = definitions;

/** Any text, long ones and those outside ASCII too; a lone half of a surrogate pair has no UTF-8. */
const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ minLength: 100, maxLength: 300, unit: 'binary' }));
/** One of the numbers of an enum. */
const oneOf = (numbers: object) => fc.constantFrom(...(Object.values(numbers) as number[]));
const code = oneOf(Code);
const status = fc.record({ code, message: text });
const toStatus = ({ code: value, message }: { code: number; message: string }) => new Status().setCode(value).setMessage(message);

const thrownBy = (work: () => unknown): unknown => {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
};

describe('the codec of the lean path', () => {
  it('writes a send as the classes of the client read it', () => {
    const at = fc.integer({ min: 0, max: 8_640_000_000_000 });
    const message = fc.record({
      topic: text,
      tag: text,
      keys: fc.array(text, { maxLength: 5 }),
      // Names that JavaScript has its own idea of are no property names of anybody.
      properties: fc.dictionary(
        text.filter((name) => name !== '__proto__'),
        text,
        { maxKeys: 8 },
      ),
      body: fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.uint8Array({ minLength: 16_380, maxLength: 16_390 })),
      messageId: text,
      messageType: oneOf(MessageType),
      queueId: fc.nat(),
      bornHost: text,
      bornAt: at,
      deliverAt: fc.option(at, { nil: undefined }),
    });
    fc.assert(
      fc.property(message, (sent) => {
        const read = service.SendMessageRequest.deserializeBinary(unaryMessage(encodeSendMessage(sent)));
        expect(read.getMessagesList()).toHaveLength(1);
        const [it] = read.getMessagesList();
        const system = it!.getSystemProperties()!;
        expect({
          topic: it!.getTopic()!.toObject(),
          tag: system.getTag(),
          keys: system.getKeysList(),
          properties: new Map(it!.getUserPropertiesMap().entries() as unknown as Iterable<[string, string]>),
          body: Buffer.from(it!.getBody_asU8()),
          messageId: system.getMessageId(),
          encoding: system.getBodyEncoding(),
          messageType: system.getMessageType(),
          queueId: system.getQueueId(),
          bornHost: system.getBornHost(),
          bornAt: system.getBornTimestamp()!.toDate().getTime(),
          deliverAt: system.getDeliveryTimestamp()?.toDate().getTime(),
        }).toEqual({
          ...sent,
          topic: { resourceNamespace: '', name: sent.topic },
          properties: new Map(Object.entries(sent.properties)),
          body: Buffer.from(sent.body),
          encoding: Encoding.IDENTITY,
        });
      }),
      { numRuns: 300 },
    );
  });

  it('writes the very bytes that the client writes', () => {
    const sent = {
      topic: 'orders',
      tag: 'placed',
      keys: ['k1', 'k2'],
      properties: { a: '1', b: 'zwei' },
      body: Buffer.from('{}'),
      messageId: '01ABC',
      messageType: MessageType.DELAY,
      queueId: 3,
      bornHost: 'host',
      bornAt: 1_700_000_000_123,
      deliverAt: 1_800_000_000_000,
    };
    const ours = unaryMessage(encodeSendMessage(sent));
    expect(ours).toEqual(Buffer.from(service.SendMessageRequest.deserializeBinary(ours).serializeBinary()));
    const end = { topic: 'orders', messageId: 'm', transactionId: 't', resolution: 1, source: 1 };
    const ourEnd = unaryMessage(encodeEndTransaction(end));
    expect(ourEnd).toEqual(Buffer.from(service.EndTransactionRequest.deserializeBinary(ourEnd).serializeBinary()));
  });

  it('writes an END as the classes of the client read it', () => {
    const end = fc.record({
      topic: text,
      messageId: text,
      transactionId: text,
      resolution: oneOf(TransactionResolution),
      source: oneOf(TransactionSource),
    });
    fc.assert(
      fc.property(end, (sent) => {
        const read = service.EndTransactionRequest.deserializeBinary(unaryMessage(encodeEndTransaction(sent)));
        expect(read.toObject()).toEqual({ ...sent, topic: { resourceNamespace: '', name: sent.topic }, traceContext: '' });
      }),
    );
  });

  it('reads what a proxy says to a send, the refusal of the entry first', () => {
    const entry = fc.record({
      status: fc.option(status, { nil: undefined }),
      messageId: text,
      transactionId: text,
      offset: fc.nat(),
      recallHandle: text,
    });
    fc.assert(
      fc.property(fc.option(status, { nil: undefined }), fc.option(entry, { nil: undefined }), (whole, one) => {
        const response = new service.SendMessageResponse();
        if (whole !== undefined) response.setStatus(toStatus(whole));
        if (one !== undefined) {
          const added = response.addEntries().setMessageId(one.messageId).setTransactionId(one.transactionId);
          added.setOffset(one.offset).setRecallHandle(one.recallHandle);
          if (one.status !== undefined) added.setStatus(toStatus(one.status));
        }
        expect(decodeSendResult(Buffer.from(response.serializeBinary()))).toEqual({
          status: one?.status !== undefined && one.status.code !== OK ? one.status : whole,
          messageId: one?.messageId ?? '',
          transactionId: one?.transactionId ?? '',
        });
      }),
    );
  });

  it('reads what a proxy says to an END', () => {
    fc.assert(
      fc.property(fc.option(status, { nil: undefined }), (whole) => {
        const response = new service.EndTransactionResponse();
        if (whole !== undefined) response.setStatus(toStatus(whole));
        expect(decodeEndStatus(Buffer.from(response.serializeBinary()))).toEqual(whole);
      }),
    );
  });

  it('passes over fields that it does not know, of every wire type', () => {
    const unknown = [
      [0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      [0x79, 1, 2, 3, 4, 5, 6, 7, 8],
      [0x7a, 2, 9, 9],
      [0x7d, 1, 2, 3, 4],
      // Field 300.
      [0xe0, 0x12, 7],
    ].flat();
    const known = new service.EndTransactionResponse().setStatus(toStatus({ code: Code.OK, message: 'OK' })).serializeBinary();
    expect(decodeEndStatus(Buffer.from([...unknown, ...known, ...unknown]))).toEqual({ code: Code.OK, message: 'OK' });
  });

  it('reads any bytes to the end, or says that they are no protobuf', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodeSendResult, decodeEndStatus]) {
          expect(thrownBy(() => decode(Buffer.from(bytes)))).toSatisfy((error) => error === undefined || error instanceof RangeError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['a field number of 0', [0x00]],
    ['a number without an end', [0x08, 0x80]],
    ['a number of more than ten bytes', [0x08, ...Array<number>(11).fill(0x80)]],
    ['wire type 3', [0x0b]],
    ['a field of 5 bytes where 1 are left', [0x0a, 5, 1]],
  ])('refuses %s', (why, bytes) => {
    const reader = new ProtobufReader(Buffer.from(bytes));
    expect(() => {
      while (reader.next() !== 0) reader.skip();
    }).toThrow(`not protobuf: ${why}`);
  });

  it('refuses a field of another type than it should have', () => {
    expect(() => decodeEndStatus(Buffer.from([0x08, 1]))).toThrow('wire type 0 for bytes');
    expect(() => decodeEndStatus(Buffer.from([0x0a, 2, 0x0a, 0]))).toThrow('wire type 2 for a number');
  });
});

describe('the gRPC frame', () => {
  it.each([
    ['an answer of 4 bytes without a message', [0, 0, 0, 0]],
    ['a compressed answer', [1, 0, 0, 0, 0]],
    ['a message of 2 bytes in an answer that has 1', [0, 0, 0, 0, 2, 7]],
    ['a message of 1 bytes in an answer that has 2', [0, 0, 0, 0, 1, 7, 7]],
  ])('is refused when it is %s', (why, bytes) => {
    expect(() => unaryMessage(Buffer.from(bytes))).toThrow(why);
  });
});
