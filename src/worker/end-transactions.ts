import type { FinalOutcome } from '../gateway/call-outcome.ts';
import type { InTransaction } from '../gateway/external-call-store.ts';
import type { AnyMessageListener, ListenerMessage } from './message-listener.ts';

/**
 * The transaction that an end of a call is recorded in, `onSuccess` or `onFail` included; `undefined` leaves it to the
 * store. The place to publish a compensating event in the same decision.
 */
export type EndTransactions = (
  listener: AnyMessageListener,
  message: ListenerMessage<unknown>,
  end: FinalOutcome<unknown>,
) => InTransaction | undefined;
