import { requireGroupName } from '../consumer-group.ts';
import { decodeReceipt, requireNotExpired } from '../receipt-handle.ts';
import { Refusal } from '../refusal.ts';
import type { Subscription } from '../subscription.ts';
import { requireTopicName } from '../topics.ts';
import type { BrokerContext, CallOf } from './broker-call.ts';
import {
  AckMessageResponse,
  ChangeInvisibleDurationResponse,
  type definition,
  ForwardMessageToDeadLetterQueueResponse,
  milliseconds,
  type service,
} from './grpc-package.ts';
import { receiptOf } from './outgoing-message.ts';
import { okStatus, statusOfEntries, statusOfError } from './status.ts';

/** A request about messages that a group holds. */
interface About {
  getTopic(): definition.Resource | undefined;
  getGroup(): definition.Resource | undefined;
}

/** Each entry has a status of its own. A second acknowledgement, and one by an outdated receipt, is OK and does nothing. */
export function acknowledge(context: BrokerContext, { request }: CallOf<service.AckMessageRequest>): service.AckMessageResponse {
  const subscription = subscriptionOf(context, request);
  const response = new AckMessageResponse();
  const statuses = request.getEntriesList().map((entry) => {
    const status = statusOfEntry(() => {
      const receipt = decodeReceipt(entry.getReceiptHandle());
      requireNotExpired(receipt, context.clock.now());
      subscription.acknowledge(receipt.id);
    });
    response.addEntries().setMessageId(entry.getMessageId()).setReceiptHandle(entry.getReceiptHandle()).setStatus(status);
    return status;
  });
  return response.setStatus(statusOfEntries(statuses, 'ack message result is empty'));
}

function statusOfEntry(work: () => void): definition.Status {
  try {
    work();
    return okStatus();
  } catch (error) {
    return statusOfError(error);
  }
}

/** Answers with the receipt that is valid from now on. */
export function changeInvisibleDuration(
  context: BrokerContext,
  { request }: CallOf<service.ChangeInvisibleDurationRequest>,
): service.ChangeInvisibleDurationResponse {
  const subscription = subscriptionOf(context, request);
  const invisibleMs = milliseconds(request.getInvisibleDuration());
  const { maxInvisibleMs } = context.settings;
  if (invisibleMs < 0) throw new Refusal('ILLEGAL_INVISIBLE_TIME', 'the invisibleTime is too small. min is 0');
  if (invisibleMs > maxInvisibleMs) throw new Refusal('ILLEGAL_INVISIBLE_TIME', `the invisibleTime is too large. max is ${maxInvisibleMs}`);
  const receipt = decodeReceipt(request.getReceiptHandle());
  requireNotExpired(receipt, context.clock.now());
  const delivery = subscription.changeInvisible(receipt.id, invisibleMs);
  if (delivery === undefined) throw new Refusal('INTERNAL_SERVER_ERROR', 'changeInvisibleDuration failed: status is abnormal');
  return new ChangeInvisibleDurationResponse().setStatus(okStatus()).setReceiptHandle(receiptOf(delivery, context.brokerName));
}

export async function forwardToDeadLetterQueue(
  context: BrokerContext,
  { request }: CallOf<service.ForwardMessageToDeadLetterQueueRequest>,
): Promise<service.ForwardMessageToDeadLetterQueueResponse> {
  const subscription = subscriptionOf(context, request);
  const held = subscription.bury(decodeReceipt(request.getReceiptHandle()).id);
  if (held !== undefined) context.broker.bury(request.getGroup()?.getName() ?? '', held);
  await context.flushed();
  return new ForwardMessageToDeadLetterQueueResponse().setStatus(okStatus());
}

function subscriptionOf({ broker }: BrokerContext, request: About): Subscription {
  const topic = request.getTopic()?.getName() ?? '';
  const group = request.getGroup()?.getName() ?? '';
  requireTopicName(topic);
  requireGroupName(group);
  return broker.subscription(topic, group);
}
