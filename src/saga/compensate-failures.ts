import type { FinalOutcome } from '../gateway/call-outcome.ts';
import type { InTransaction } from '../gateway/external-call-store.ts';
import type { TransactionListener } from '../transaction/transaction-listener.ts';
import type { TransactionalPublisher } from '../transaction/transactional-publisher.ts';
import type { AnyMessageListener, ListenerMessage, MessageListener } from '../worker/message-listener.ts';
import { type Compensation, compensateByPublishing } from './compensate-by-publishing.ts';

/** A call that was refused for good, and the message that led to it. */
export type Failure<Payload> = Extract<FinalOutcome<unknown>, { status: 'FAIL' }> & { readonly message: ListenerMessage<Payload> };

/** Which event a listener's FAIL publishes. Made by `compensateFailures`. */
export interface FailureCompensation {
  readonly listener: AnyMessageListener;
  readonly publish: TransactionListener<Compensation<unknown>>;
  readonly input: (failure: Failure<unknown>) => unknown;
}

/**
 * Says that a FAIL of this listener's call publishes an event, in the transaction that records the FAIL and runs
 * `onFail`: all of it or nothing. While the broker takes no half message, no FAIL is recorded; the call becomes UNKNOWN
 * then, and the status check records and publishes it later. `input` is pure.
 */
export const compensateFailures = <Payload, CallInput, Response, Input>(
  listener: MessageListener<Payload, CallInput, Response>,
  publish: TransactionListener<Compensation<Input>>,
  input: (failure: Failure<Payload>) => Input,
): FailureCompensation =>
  Object.freeze({
    listener,
    publish: publish as TransactionListener<Compensation<unknown>>,
    input: input as FailureCompensation['input'],
  });

/** The transactions that ends of calls are recorded in, for workers and status checks; `undefined` leaves it to the store. */
export function compensatingTransactions(
  publisher: Pick<TransactionalPublisher, 'publish'>,
  compensations: readonly FailureCompensation[],
): (listener: AnyMessageListener, message: ListenerMessage<unknown>, end: FinalOutcome<unknown>) => InTransaction | undefined {
  // By name: what is read from a record of an earlier process is not the same object.
  const byListener = new Map(compensations.map((compensation) => [compensation.listener.name, compensation]));
  return (listener, message, end) => {
    const compensation = end.status === 'FAIL' ? byListener.get(listener.name) : undefined;
    if (compensation === undefined || end.status !== 'FAIL') return undefined;
    const { correlationId } = message;
    return compensateByPublishing(publisher, compensation.publish, compensation.input({ ...end, message }), { correlationId });
  };
}
