import { context, SpanKind, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { placeOrder } from '../../listeners/index.ts';
import { type Recorded, recordTelemetry } from './support/recorded-telemetry.ts';
import { openShop, ORDER, type Shop } from './support/shop.ts';

const until = { timeout: 20_000, interval: 20 };
const traceOf = (span: ReadableSpan): string => span.spanContext().traceId;
const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;
const idOf = (span: ReadableSpan): string => span.spanContext().spanId;

describe('Traces on the embedded broker and a SQLite file', () => {
  let shop: Shop;
  let recorded: Recorded;
  beforeEach(() => {
    recorded = recordTelemetry();
  });
  afterEach(async () => {
    await shop.close();
    await recorded.close();
    context.disable();
  });
  const seen = async (name: string): Promise<void> => {
    await expect.poll(() => recorded.spans().map((span) => span.name), until).toContain(name);
  };

  it('run from a publish() over its message to the delivery and the attempts at the call, each under the one before', async () => {
    shop = await openShop();
    const publisher = await shop.publisher();
    await shop.worker();
    const { transactionId } = await publisher.publish(placeOrder, ORDER, { correlationId: 'c-1' });
    await seen('process orders');
    const [send, delivery, attempt] = [recorded.span('send orders'), recorded.span('process orders'), recorded.span('POST bank')];
    expect(send.parentSpanContext).toBeUndefined();
    expect(parentOf(delivery)).toBe(idOf(send));
    expect(delivery.parentSpanContext?.isRemote).toBe(true);
    expect(parentOf(attempt)).toBe(idOf(delivery));
    expect(new Set([send, delivery, attempt].map(traceOf)).size).toBe(1);
    expect(send.kind).toBe(SpanKind.PRODUCER);
    expect(send.attributes).toEqual({
      'messaging.system': 'rocketmq',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'orders',
      'messaging.message.conversation_id': 'c-1',
      'messaging.rocketmq.message.type': 'transaction',
      'checkback.listener': 'orders:placed',
      'checkback.transaction_id': transactionId,
    });
    expect(send.events.map(({ name }) => name)).toEqual(['half message stored', 'local transaction committed']);
    expect(delivery.kind).toBe(SpanKind.CONSUMER);
    expect(delivery.attributes).toMatchObject({
      'messaging.operation.type': 'process',
      'messaging.consumer.group.name': 'payment-workers',
      'checkback.listener': 'charge-payment',
      'checkback.disposition': 'ack',
    });
    expect(attempt.kind).toBe(SpanKind.CLIENT);
    expect(attempt.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.response.status_code': 201,
      'checkback.outcome': 'SUCCESS',
    });
    expect(attempt.events.map(({ name }) => name)).toEqual(['connected', 'request sent', 'response headers', 'response complete']);
  });

  it('go on where the caller says, and else where the application is', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    shop = await openShop();
    const publisher = await shop.publisher();
    const tracer = recorded.tracerProvider.getTracer('application');
    await tracer.startActiveSpan('checkout', async (checkout) => {
      await publisher.publish(placeOrder, ORDER);
      checkout.end();
    });
    expect(parentOf(recorded.span('send orders'))).toBe(idOf(recorded.span('checkout')));
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await publisher.publish(placeOrder, { ...ORDER, orderId: 'o-2' }, { traceparent, tracestate: 'vendor=1' });
    const second = recorded.spans().findLast(({ name }) => name === 'send orders')!;
    expect([traceOf(second), parentOf(second)]).toEqual(['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']);
    expect(second.spanContext().traceState?.serialize()).toBe('vendor=1');
  });

  it('let what a listener does be under its delivery', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    shop = await openShop();
    const [listener] = shop.config.messageListeners!;
    let active: string | undefined;
    const input = (message: never): never => {
      active = trace.getActiveSpan()?.spanContext().spanId;
      return (listener as unknown as { input: (message: never) => never }).input(message);
    };
    const watching = { ...shop.config, messageListeners: [{ ...listener, input } as never] };
    Object.assign(shop.config, watching);
    const publisher = await shop.publisher();
    await shop.worker();
    await publisher.publish(placeOrder, ORDER);
    await seen('process orders');
    expect(active).toBe(idOf(recorded.span('process orders')));
  });

  it('hold the check-back of a message whose END was lost', async () => {
    shop = await openShop();
    const publisher = await shop.publisher();
    shop.broker.faults.loseNextEnd();
    await publisher.publish(placeOrder, ORDER);
    const answered = () =>
      recorded.spans().find(({ name, attributes }) => name === 'check orders' && attributes['checkback.resolution'] === 'COMMIT');
    await expect.poll(answered, until).toBeDefined();
    expect(parentOf(answered()!)).toBe(idOf(recorded.span('send orders')));
    expect(answered()!.attributes).toMatchObject({ 'messaging.operation.name': 'check', 'checkback.listener': 'orders:placed' });
    expect(await recorded.value('checkback.check_backs', { topic: 'orders', resolution: 'COMMIT' })).toBeGreaterThan(0);
  });

  it('hold the status check of a call nobody knows the outcome of', async () => {
    shop = await openShop();
    shop.bank.follow([{ kind: 'reset', when: 'after-body' }]);
    const publisher = await shop.publisher();
    await shop.worker({ statusCheckAfterMs: 1 });
    await publisher.publish(placeOrder, ORDER);
    await seen('check charge-payment');
    const [send, check, question] = [recorded.span('send orders'), recorded.span('check charge-payment'), recorded.span('GET bank')];
    expect(parentOf(check)).toBe(idOf(send));
    expect(parentOf(question)).toBe(idOf(check));
    expect(check.attributes['checkback.outcome']).toBe('SUCCESS');
    expect(recorded.span('POST bank').attributes).toMatchObject({ 'error.type': 'CB_CONNECTION_LOST', 'checkback.outcome': 'UNKNOWN' });
  });

  it('hold every step of a saga that a message started, and its calls', async () => {
    shop = await openShop({ saga: true });
    const publisher = await shop.publisher();
    await shop.worker();
    await publisher.publish(placeOrder, ORDER);
    await seen('saga fulfil-order confirm');
    const send = recorded.span('send orders');
    for (const step of ['order', 'stock', 'payment', 'shipment', 'confirm'])
      expect(parentOf(recorded.span(`saga fulfil-order ${step}`)), step).toBe(idOf(send));
    expect(parentOf(recorded.span('POST carrier'))).toBe(idOf(recorded.span('saga fulfil-order shipment')));
    expect(new Set(recorded.spans().map(traceOf)).size).toBe(1);
  });

  it('hold no secret, no key and nothing of what is in a message', async () => {
    shop = await openShop({ headers: { authorization: 'Bearer canary-header' } });
    shop.bank.follow([{ kind: 'answer', status: 422, body: '{"canary-answer":1}', headers: { 'x-canary': 'canary-answer' } }]);
    const publisher = await shop.publisher();
    await shop.worker();
    await publisher.publish(placeOrder, { ...ORDER, orderId: 'canary-key', customerId: 'canary-body' });
    await expect(publisher.publish(placeOrder, { ...ORDER, orderId: 'canary-key' })).rejects.toThrow(/rolled back/);
    await seen('process orders');
    const told = recorded.spans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status }));
    expect(told.filter(({ name }) => name === 'send orders')).toMatchObject([{}, { attributes: { 'error.type': 'CB_LOCAL_TRANSACTION' } }]);
    expect(JSON.stringify(told)).not.toContain('canary');
  });
});
