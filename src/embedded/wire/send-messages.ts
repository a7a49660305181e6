import { Refusal } from '../refusal.ts';
import type { BrokerContext, CallOf } from './broker-call.ts';
import { SendMessageResponse, SendResultEntry, type service } from './grpc-package.ts';
import { incomingMessage, requireKind } from './incoming-message.ts';
import { requireTopic } from './routes.ts';
import { okStatus } from './status.ts';

/** Takes all messages of a request or none; an OK means durable. */
export async function sendMessages(
  context: BrokerContext,
  { request, peer }: CallOf<service.SendMessageRequest>,
): Promise<service.SendMessageResponse> {
  const { broker, faults, settings, clock } = context;
  const now = clock.now();
  const messages = request.getMessagesList().map((message) => incomingMessage(message, settings, now, peer));
  const [first] = messages;
  if (first === undefined) throw new Refusal('BAD_REQUEST', 'no message to send');
  if (messages.some((message) => message.topic !== first.topic)) throw new Refusal('MESSAGE_CORRUPTED', 'topic in message is not same');
  const topic = requireTopic(context, first.topic);
  for (const message of messages) requireKind(message, topic);
  const rejection = faults.takeRejection();
  const refuse = (): never => {
    throw new Refusal(rejection?.code ?? 'TOO_MANY_REQUESTS', rejection?.message ?? 'rejected on purpose');
  };
  if (rejection !== undefined && rejection.stored !== true) refuse();
  for (const message of messages) broker.accept(message);
  await context.flushed();
  if (rejection !== undefined) refuse();
  const response = new SendMessageResponse().setStatus(okStatus());
  for (const { messageId } of messages)
    response.addEntries(new SendResultEntry().setStatus(okStatus()).setMessageId(messageId).setTransactionId(messageId));
  return response;
}
