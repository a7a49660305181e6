import { isIPv4 } from 'node:net';
import { requireGroupName } from '../consumer-group.ts';
import { requireTopicName, type Topic } from '../topics.ts';
import type { BrokerContext, CallOf } from './broker-call.ts';
import {
  Address,
  AddressScheme,
  Assignment,
  Broker,
  type definition,
  Endpoints,
  MessageQueue,
  MessageType,
  Permission,
  QueryAssignmentResponse,
  QueryRouteResponse,
  Resource,
  type service,
} from './grpc-package.ts';
import { okStatus } from './status.ts';

const ACCEPTED = {
  TRANSACTION: [MessageType.TRANSACTION],
  NORMAL: [MessageType.NORMAL],
  DELAY: [MessageType.DELAY],
  FIFO: [MessageType.FIFO],
  MIXED: [MessageType.NORMAL, MessageType.FIFO, MessageType.DELAY, MessageType.TRANSACTION],
} as const;

/** The topic, made on its first use where that is wanted. */
export function requireTopic({ broker, autoCreateTopics }: BrokerContext, name: string): Topic {
  requireTopicName(name);
  const topic = broker.topics.find(name);
  // A dead-letter topic is there from its first dead letter on, and no earlier.
  if (topic === undefined && autoCreateTopics !== undefined && !name.startsWith('%')) return broker.createTopic(name, autoCreateTopics);
  return topic ?? broker.topics.require(name);
}

export function requireGroup({ broker, autoCreateGroups }: BrokerContext, name: string): void {
  requireGroupName(name);
  if (broker.groups.find(name) !== undefined) return;
  if (autoCreateGroups !== undefined) broker.createGroup({ name, isFifo: false, ...autoCreateGroups });
  else broker.groups.require(name);
}

export function queryRoute(context: BrokerContext, { request }: CallOf<service.QueryRouteRequest>): service.QueryRouteResponse {
  const topic = requireTopic(context, request.getTopic()?.getName() ?? '');
  const response = new QueryRouteResponse().setStatus(okStatus());
  for (let id = 0; id < topic.queues; id += 1) response.addMessageQueues(queue(context, topic, id));
  return response;
}

/** A push consumer is assigned the broker as a whole: queue -1. */
export function queryAssignment(
  context: BrokerContext,
  { request }: CallOf<service.QueryAssignmentRequest>,
): service.QueryAssignmentResponse {
  const group = request.getGroup()?.getName() ?? '';
  requireGroupName(group);
  const topic = requireTopic(context, request.getTopic()?.getName() ?? '');
  const isFifo = context.broker.groups.find(group)?.isFifo ?? false;
  const response = new QueryAssignmentResponse().setStatus(okStatus());
  const ids = isFifo ? Array.from({ length: topic.queues }, (_, id) => id) : [-1];
  for (const id of ids) response.addAssignments(new Assignment().setMessageQueue(queue(context, topic, id)));
  return response;
}

function queue({ brokerName, address }: BrokerContext, topic: Topic, id: number): definition.MessageQueue {
  const { host, port } = address();
  const scheme = isIPv4(host) ? AddressScheme.IPV4 : host.includes(':') ? AddressScheme.IPV6 : AddressScheme.DOMAIN_NAME;
  const endpoints = new Endpoints().setScheme(scheme).setAddressesList([new Address().setHost(host).setPort(port)]);
  return new MessageQueue()
    .setTopic(new Resource().setName(topic.name))
    .setId(id)
    .setPermission(Permission.READ_WRITE)
    .setBroker(new Broker().setName(brokerName).setId(0).setEndpoints(endpoints))
    .setAcceptMessageTypesList([...ACCEPTED[topic.type]]);
}
