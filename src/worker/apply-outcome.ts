import type { EntityManager } from '@mikro-orm/core';
import type { CallOutcome } from '../gateway/gateway.ts';
import type { ListenerMessage, MessageListener } from './message-listener.ts';

/**
 * Runs what the listener declared for the end a call has come to: `onSuccess` for SUCCESS, `onFail` for FAIL, nothing
 * for UNKNOWN and PENDING. Called inside the transaction that records the end; a throw rolls both back. The worker
 * hands it to the gateway; whoever finds an end later without a delivery (a status check) calls it the same way.
 */
export const applyOutcome = async <Payload, Response>(
  listener: Pick<MessageListener<Payload, never, Response>, 'onSuccess' | 'onFail'>,
  message: ListenerMessage<Payload>,
  em: EntityManager,
  outcome: CallOutcome<Response>,
): Promise<void> => {
  if (outcome.status === 'SUCCESS') await listener.onSuccess?.(em, { message, response: outcome.response });
  if (outcome.status === 'FAIL') await listener.onFail?.(em, { message, error: outcome.error, response: outcome.response });
};
