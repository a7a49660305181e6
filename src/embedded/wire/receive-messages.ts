import type { ServerWritableStream } from '@grpc/grpc-js';
import type { EmbeddedBrokerSettings } from '../broker-settings.ts';
import { requireGroupName } from '../consumer-group.ts';
import { refuseSqlFilter, tagFilter } from '../message-filter.ts';
import { Refusal } from '../refusal.ts';
import type { Delivery } from '../subscription.ts';
import { type BrokerContext, clientIdOf } from './broker-call.ts';
import { FilterType, milliseconds, ReceiveMessageResponse, type service, timestamp } from './grpc-package.ts';
import { deliveredMessage } from './outgoing-message.ts';
import { requireGroup, requireTopic } from './routes.ts';
import { okStatus, statusOf, statusOfError } from './status.ts';

type ReceiveCall = ServerWritableStream<service.ReceiveMessageRequest, service.ReceiveMessageResponse>;

/** Most messages of one receive (`ProxyUtils.MAX_MSG_NUMS_FOR_POP_REQUEST`). */
const MAX_BATCH = 32;
/** What nobody took delivery of is visible again after this long (`ReceiveMessageResponseStreamWriter`). */
const NACK_MS = 1_000;

/** Waits for messages; answers with a status, then the messages, then the time. */
export async function receiveMessages(context: BrokerContext, call: ReceiveCall): Promise<void> {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  call.on('error', () => gone.abort());
  try {
    const deliveries = await receive(context, call, gone.signal);
    if (context.faults.latencyMs > 0) await context.clock.sleep(context.faults.latencyMs);
    if (call.cancelled) return handBack(context, call.request, deliveries);
    call.write(
      new ReceiveMessageResponse().setStatus(deliveries.length > 0 ? okStatus() : statusOf('MESSAGE_NOT_FOUND', 'no new message')),
    );
    for (const delivery of deliveries) call.write(new ReceiveMessageResponse().setMessage(deliveredMessage(delivery, context.brokerName)));
  } catch (error) {
    call.write(new ReceiveMessageResponse().setStatus(statusOfError(error)));
  }
  call.write(new ReceiveMessageResponse().setDeliveryTimestamp(timestamp(context.clock.now())));
  call.end();
}

async function receive(context: BrokerContext, call: ReceiveCall, signal: AbortSignal): Promise<readonly Delivery[]> {
  const { broker, settings, sessions } = context;
  const { request } = call;
  const clientId = clientIdOf(call.metadata);
  const pollMs = longPollMs(request, settings, call.getDeadline());
  const topicName = request.getMessageQueue()?.getTopic()?.getName() ?? '';
  const groupName = request.getGroup()?.getName() ?? '';
  requireGroupName(groupName);
  const isPush = request.getAutoRenew();
  const invisibleMs = isPush ? settings.pushInvisibleMs : requireInvisible(request, settings);
  const expression = request.getFilterExpression();
  if (expression?.getType() === FilterType.SQL) refuseSqlFilter();
  const filter = tagFilter(expression?.getExpression() ?? '');
  requireTopic(context, topicName);
  requireGroup(context, groupName);
  const subscription = broker.subscription(topicName, groupName);
  const max = Math.min(MAX_BATCH, Math.max(1, request.getBatchSize()));
  const renews = isPush ? () => sessions.isOnline(clientId) : undefined;
  const deliveries = await broker.polls.receive(subscription, { filter, max, invisibleMs, renews }, pollMs, signal);
  if (deliveries === undefined) throw new Refusal('TOO_MANY_REQUESTS', 'polling full');
  return deliveries;
}

function requireInvisible(request: service.ReceiveMessageRequest, { minInvisibleMs, maxInvisibleMs }: EmbeddedBrokerSettings): number {
  const ms = milliseconds(request.getInvisibleDuration());
  if (ms < minInvisibleMs) throw new Refusal('ILLEGAL_INVISIBLE_TIME', `the invisibleTime is too small. min is ${minInvisibleMs}`);
  if (ms > maxInvisibleMs) throw new Refusal('ILLEGAL_INVISIBLE_TIME', `the invisibleTime is too large. max is ${maxInvisibleMs}`);
  return ms;
}

/** As long as was asked for within the bounds, and within the caller's own deadline, which is one of the machine's clock. */
function longPollMs(request: service.ReceiveMessageRequest, settings: EmbeddedBrokerSettings, deadline: Date | number): number {
  const { minLongPollMs, maxLongPollMs } = settings;
  const remainingMs = Number(deadline) - Date.now();
  const askedMs = request.hasLongPollingTimeout() ? milliseconds(request.getLongPollingTimeout()) : remainingMs / 2;
  const pollMs = Math.min(maxLongPollMs, Math.max(minLongPollMs, askedMs));
  if (pollMs <= remainingMs) return pollMs;
  if (remainingMs >= minLongPollMs) return remainingMs;
  throw new Refusal('ILLEGAL_POLLING_TIME', 'The deadline time remaining is not enough for polling, please check network condition');
}

function handBack({ broker }: BrokerContext, request: service.ReceiveMessageRequest, deliveries: readonly Delivery[]): void {
  const topic = request.getMessageQueue()?.getTopic()?.getName() ?? '';
  const subscription = broker.subscription(topic, request.getGroup()?.getName() ?? '');
  for (const { receiptId } of deliveries) subscription.changeInvisible(receiptId, NACK_MS);
}
