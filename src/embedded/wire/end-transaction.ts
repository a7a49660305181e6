import { Refusal } from '../refusal.ts';
import { requireTopicName } from '../topics.ts';
import type { BrokerContext, CallOf } from './broker-call.ts';
import { EndTransactionResponse, type service, TransactionResolution, TransactionSource } from './grpc-package.ts';
import { okStatus } from './status.ts';

/** OK means handed over: what the broker made of it is not said. */
export async function endTransaction(
  { broker, flushed }: BrokerContext,
  { request }: CallOf<service.EndTransactionRequest>,
): Promise<service.EndTransactionResponse> {
  const topic = request.getTopic()?.getName() ?? '';
  requireTopicName(topic);
  const transactionId = request.getTransactionId();
  if (transactionId.trim() === '') throw new Refusal('INVALID_TRANSACTION_ID', 'transaction id cannot be empty');
  const isAnswer = request.getSource() === TransactionSource.SOURCE_SERVER_CHECK;
  broker.transactions.end({ topic, messageId: request.getMessageId(), resolution: resolution(request), isAnswer }, transactionId);
  await flushed();
  return new EndTransactionResponse().setStatus(okStatus());
}

function resolution(request: service.EndTransactionRequest): 'COMMIT' | 'ROLLBACK' | 'UNKNOWN' {
  switch (request.getResolution()) {
    case TransactionResolution.COMMIT:
      return 'COMMIT';
    case TransactionResolution.ROLLBACK:
      return 'ROLLBACK';
    default:
      return 'UNKNOWN';
  }
}
