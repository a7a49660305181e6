import { describe, expect, it } from 'vitest';
import { CallRejectedError } from '../../src/errors.ts';
import { defineExternalCall } from '../../src/gateway/external-call.ts';
import { compensationListener } from '../../src/saga/compensate-by-publishing.ts';
import { compensateFailures, compensatingTransactions } from '../../src/saga/compensate-failures.ts';
import { defineTransactionListener } from '../../src/transaction/transaction-listener.ts';
import type { TransactionalPublisher } from '../../src/transaction/transactional-publisher.ts';
import { type ListenerMessage, defineMessageListener } from '../../src/worker/message-listener.ts';

const call = defineExternalCall<object>({ name: 'charge', origin: 'bank', method: 'POST', path: '/payments' });
const listenerOf = (name: string) =>
  defineMessageListener<{ orderId: string }, object>({
    name,
    topic: 'orders',
    group: name,
    call,
    input: () => ({}),
    idempotencyKey: ({ payload }) => payload.orderId,
  });
const charge = listenerOf('charge');
const refund = defineTransactionListener(
  compensationListener<{ orderId: string; why: string }>({
    name: 'refund',
    topic: 'refunds',
    tag: 'refund',
    keys: ({ orderId }) => [orderId],
  }),
);
const message = { payload: { orderId: 'o-1' }, correlationId: 'c-1' } as ListenerMessage<unknown>;
const FAIL = { status: 'FAIL', error: new CallRejectedError('no money'), httpStatus: 422, response: undefined, replayed: false } as const;
const SUCCESS = { status: 'SUCCESS', response: {}, httpStatus: 201, replayed: false } as const;

function published() {
  const story: unknown[] = [];
  const publish = async (listener: { execute: Function; name: string }, input: object, options: object): Promise<unknown> => {
    await listener.execute('em', input, {});
    return story.push([listener.name, { ...input, record: undefined }, options]);
  };
  const publisher = { publish } as unknown as TransactionalPublisher;
  const inTransaction = compensatingTransactions(publisher, [
    compensateFailures(charge, refund, ({ message: { payload }, error }) => ({ orderId: payload.orderId, why: error.message })),
  ]);
  return { story, inTransaction };
}

describe('compensatingTransactions', () => {
  it('records a FAIL inside the publication of its event, under the order’s correlation id', async () => {
    const { story, inTransaction } = published();
    await inTransaction(charge, message, FAIL)!(async (em) => void story.push('recorded', em));
    expect(story).toEqual([
      'recorded',
      'em',
      ['refund', { input: { orderId: 'o-1', why: 'no money' }, record: undefined }, { correlationId: 'c-1' }],
    ]);
  });

  it('finds the compensation by the listener’s name', () => {
    expect(published().inTransaction(listenerOf('charge'), message, FAIL)).toBeDefined();
  });

  it('leaves successes, and failures of other listeners, to the store', () => {
    expect(published().inTransaction(charge, message, SUCCESS)).toBeUndefined();
    expect(published().inTransaction(listenerOf('other'), message, FAIL)).toBeUndefined();
  });
});

describe('compensationListener', () => {
  it('writes the failure before what goes with it, and carries the input alone', async () => {
    const story: string[] = [];
    const listener = defineTransactionListener(
      compensationListener<string>({ name: 'x', topic: 't', tag: 'g', execute: async (_em, input) => void story.push(`with ${input}`) }),
    );
    const compensation = { input: 'it', record: async () => void story.push('failure') };
    expect(await listener.execute!({} as never, compensation, {} as never)).toBe('COMMIT');
    expect(story).toEqual(['failure', 'with it']);
    expect(listener.messages[0]!.payload(compensation, undefined)).toBe('it');
    expect([listener.lookup.kind, listener.half]).toEqual(['transactionMarker', 'beforeCommit']);
  });
});
