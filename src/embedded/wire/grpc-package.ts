/** The one place of this folder that knows how the protocol's classes are packaged: CommonJS, without their time types. */
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceStubs from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';

export type * as definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
export type * as service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';

export const { MessagingServiceService } = serviceStubs;
export const {
  Address,
  AddressScheme,
  Assignment,
  Broker,
  ClientType,
  Code,
  Digest,
  DigestType,
  Encoding,
  Endpoints,
  ExponentialBackoff,
  CustomizedBackoff,
  FilterType,
  Message,
  MessageQueue,
  MessageType,
  Metric,
  Permission,
  Resource,
  RetryPolicy,
  Settings,
  Status,
  SystemProperties,
  TransactionResolution,
  TransactionSource,
} = definitions;
export const {
  AckMessageResponse,
  ChangeInvisibleDurationResponse,
  EndTransactionResponse,
  ForwardMessageToDeadLetterQueueResponse,
  HeartbeatResponse,
  NotifyClientTerminationResponse,
  QueryAssignmentResponse,
  QueryRouteResponse,
  ReceiveMessageResponse,
  ReconnectEndpointsCommand,
  RecoverOrphanedTransactionCommand,
  SendMessageResponse,
  SendResultEntry,
  TelemetryCommand,
} = serviceMessages;

/** `google.protobuf.Timestamp` and `Duration` are alike. */
interface Time {
  getSeconds(): number;
  getNanos(): number;
  setSeconds(seconds: number): Time;
  setNanos(nanos: number): Time;
}

// Their classes are in a package that is not ours to import; one decoded message gives them away.
const timestampClass = (definitions.SystemProperties.deserializeBinary(Uint8Array.of(0x3a, 0)).getBornTimestamp() as unknown as Time)
  .constructor as new () => Time;
const durationClass = (definitions.SystemProperties.deserializeBinary(Uint8Array.of(0x7a, 0)).getInvisibleDuration() as unknown as Time)
  .constructor as new () => Time;

function fill(time: Time, ms: number): never {
  const seconds = Math.floor(ms / 1_000);
  time.setSeconds(seconds).setNanos(Math.round((ms - seconds * 1_000) * 1_000_000));
  return time as never;
}

/** Typed as whatever the setter wants. */
export function timestamp(ms: number): never {
  return fill(new timestampClass(), ms);
}

export function duration(ms: number): never {
  return fill(new durationClass(), ms);
}

/** 0 when unset, as on the wire. */
export function milliseconds(time: unknown): number {
  if (time === undefined || time === null) return 0;
  const set = time as Time;
  return set.getSeconds() * 1_000 + Math.floor(set.getNanos() / 1_000_000);
}
