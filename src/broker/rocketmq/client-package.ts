/**
 * The one place that knows how `rocketmq-client-nodejs` is packaged: CommonJS, its protocol classes outside the index
 * (`TransactionResolution` among them), no `exports` map. Everything else in this folder imports from here.
 */
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceStubs from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';

export {
  ClientException,
  type Endpoints,
  FilterExpression,
  type ILogger,
  MessageView,
  NotFoundException,
  Producer,
  PublishingMessage,
  SendReceipt,
  SimpleConsumer,
  StatusChecker,
  type TopicRouteData,
} from 'rocketmq-client-nodejs';
export type { MessageQueue } from 'rocketmq-client-nodejs/dist/route/MessageQueue.js';
export type * as service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
export type * as definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
export type { RpcClientManager } from 'rocketmq-client-nodejs/dist/client/RpcClientManager.js';
export type { MessagingServiceClient as MessagingServiceClientType } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';

export const { MessagingServiceClient } = serviceStubs;
export const { Code, MessageType, Permission, Resource, TransactionResolution, TransactionSource } = definitions;
export const { AckMessageRequest, ForwardMessageToDeadLetterQueueRequest, QueryRouteRequest, ReceiveMessageResponse, SendMessageRequest } =
  serviceMessages;
