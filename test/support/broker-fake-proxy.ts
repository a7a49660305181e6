import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import grpcStubs from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_grpc_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import type * as definition from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type * as service from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { createHash } from 'node:crypto';

const { Address, Broker, Code, Encoding, Message, MessageQueue, MessageType, Permission, Resource, Settings, Status, SystemProperties } =
  definitions;

export type TelemetryStream = ServerDuplexStream<service.TelemetryCommand, service.TelemetryCommand>;
type Poll = ServerWritableStream<service.ReceiveMessageRequest, service.ReceiveMessageResponse>;

/** What the proxy does when asked. A test replaces single entries, also while it runs. */
export interface ProxyScript {
  /** The addresses a topic is routed to; `undefined`: no such topic. Default: the proxy's own. */
  route(topic: string): readonly string[] | undefined | Promise<readonly string[] | undefined>;
  /** Default: sends the settings back. */
  telemetry(stream: TelemetryStream, command: service.TelemetryCommand): void;
  /** Status of a unary answer; `hang`: none comes. Default: OK. */
  answer(method: string): definition.Code | 'hang';
  /** Awaited before a send is confirmed. */
  receipt(): Promise<void> | void;
  /** Awaited before an acknowledgement is answered. */
  acknowledged(): Promise<void> | void;
  /** Status of one entry of an acknowledgement; `undefined` leaves it to `answer`. */
  entry(receiptHandle: string): definition.Code | undefined;
  /** Default: an empty long poll that stays open until it is cancelled. */
  receive(poll: Poll): void;
}

/** A RocketMQ proxy in this process that does as it is told. It speaks the real protocol, by the client's own definition of it. */
export interface FakeProxy {
  readonly endpoints: string;
  readonly script: ProxyScript;
  /** Requests so far, oldest first. */
  requests<Request>(method: string): Request[];
  /** Telemetry streams open now, and how many there ever were. */
  readonly streams: ReadonlySet<TelemetryStream>;
  readonly streamsOpened: number;
  /** Every settings command received, from whichever stream. */
  readonly settingsReceived: number;
  /** Asks about a half on every open stream, as the broker's scan does. */
  checkBack(options: { topic: string; transactionId: string; properties?: Record<string, string>; round?: string }): void;
  close(): Promise<void>;
}

export async function startFakeProxy(options: { script?: Partial<ProxyScript>; credentials?: ServerCredentials } = {}): Promise<FakeProxy> {
  const seen = new Map<string, unknown[]>();
  const streams = new Set<TelemetryStream>();
  let streamsOpened = 0;
  let settingsReceived = 0;
  let endpoints = '';
  const script: ProxyScript = {
    route: () => [endpoints],
    telemetry: (stream, command) => {
      if (command.hasSettings()) stream.write(replyToSettings(command));
    },
    answer: () => Code.OK,
    receipt: () => {},
    acknowledged: () => {},
    entry: () => undefined,
    receive: () => {},
    ...options.script,
  };
  const note = (method: string, request: unknown): void => void seen.set(method, [...(seen.get(method) ?? []), request]);
  const unary =
    <Request, Response>(method: string, respond: (request: Request, status: definition.Status) => Response | Promise<Response>) =>
    (call: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>): void => {
      note(method, call.request);
      const code = script.answer(method);
      if (code === 'hang') return;
      const status = new Status().setCode(code).setMessage(`scripted ${code}`);
      Promise.resolve(respond(call.request, status)).then((response) => done(null, response), done);
    };

  const server = new Server();
  server.addService(grpcStubs.MessagingServiceService, {
    queryRoute: unary('queryRoute', (request: service.QueryRouteRequest, status) => routeResponse(request, status, script)),
    heartbeat: unary('heartbeat', (_, status) => new serviceMessages.HeartbeatResponse().setStatus(status)),
    sendMessage: unary('sendMessage', async (request: service.SendMessageRequest, status) => {
      await script.receipt();
      return receiptResponse(request, status);
    }),
    endTransaction: unary('endTransaction', (_, status) => new serviceMessages.EndTransactionResponse().setStatus(status)),
    notifyClientTermination: unary('notifyClientTermination', (_, status) =>
      new serviceMessages.NotifyClientTerminationResponse().setStatus(status),
    ),
    forwardMessageToDeadLetterQueue: unary('forwardMessageToDeadLetterQueue', (_, status) =>
      new serviceMessages.ForwardMessageToDeadLetterQueueResponse().setStatus(status),
    ),
    changeInvisibleDuration: unary('changeInvisibleDuration', (_, status) =>
      new serviceMessages.ChangeInvisibleDurationResponse().setStatus(status).setReceiptHandle('renewed'),
    ),
    ackMessage: unary('ackMessage', async (request: service.AckMessageRequest, status) => {
      await script.acknowledged();
      const response = new serviceMessages.AckMessageResponse().setStatus(new Status().setCode(Code.OK));
      for (const entry of request.getEntriesList()) {
        const receipt = entry.getReceiptHandle();
        const own = script.entry(receipt);
        response
          .addEntries()
          .setMessageId(entry.getMessageId())
          .setReceiptHandle(receipt)
          .setStatus(own === undefined ? status : new Status().setCode(own).setMessage(`scripted ${own}`));
      }
      return response;
    }),
    receiveMessage: (poll: Poll) => {
      note('receiveMessage', poll.request);
      script.receive(poll);
    },
    telemetry: (stream: TelemetryStream) => {
      streams.add(stream);
      streamsOpened += 1;
      const gone = (): void => void streams.delete(stream);
      stream.on('data', (command: service.TelemetryCommand) => {
        if (command.hasSettings()) settingsReceived += 1;
        script.telemetry(stream, command);
      });
      stream.on('end', () => {
        gone();
        stream.end();
      });
      stream.on('cancelled', gone);
      stream.on('error', gone);
    },
  });
  const credentials = options.credentials ?? ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  endpoints = `127.0.0.1:${port}`;
  return {
    endpoints,
    script,
    requests: <Request>(method: string) => [...(seen.get(method) ?? [])] as Request[],
    streams,
    get streamsOpened() {
      return streamsOpened;
    },
    get settingsReceived() {
      return settingsReceived;
    },
    checkBack: ({ topic, transactionId, properties = {}, round }) => {
      const message = wireMessage({ topic, messageId: transactionId, properties });
      if (round !== undefined) message.getUserPropertiesMap().set('TRANSACTION_CHECK_TIMES', round);
      const question = new serviceMessages.RecoverOrphanedTransactionCommand().setMessage(message).setTransactionId(transactionId);
      for (const stream of streams) stream.write(new serviceMessages.TelemetryCommand().setRecoverOrphanedTransactionCommand(question));
    },
    close: async () => {
      server.forceShutdown();
    },
  };
}

/** A message as a proxy hands it out. `bodyEncoding: 'broken gzip'` cannot be decoded. */
export function wireMessage(options: {
  topic: string;
  messageId: string;
  body?: string;
  properties?: Record<string, string>;
  fault?: 'broken gzip' | 'no digest' | 'wrong digest';
}): definition.Message {
  const body = Buffer.from(options.body ?? '{}');
  const system = new SystemProperties()
    .setMessageId(options.messageId)
    .setReceiptHandle(`receipt of ${options.messageId}`)
    .setBodyEncoding(options.fault === 'broken gzip' ? Encoding.GZIP : Encoding.IDENTITY)
    .setDeliveryAttempt(1);
  const checksum = createHash('md5')
    .update(options.fault === 'wrong digest' ? 'x' : body)
    .digest('hex')
    .toUpperCase();
  if (options.fault !== 'no digest')
    system.setBodyDigest(new definitions.Digest().setType(definitions.DigestType.MD5).setChecksum(checksum));
  const message = new Message().setTopic(new Resource().setName(options.topic)).setBody(body).setSystemProperties(system);
  for (const [name, value] of Object.entries(options.properties ?? {})) message.getUserPropertiesMap().set(name, value);
  return message;
}

/** Ends a long poll with these messages. */
export function deliver(poll: Poll, messages: readonly definition.Message[]): void {
  poll.write(
    new serviceMessages.ReceiveMessageResponse().setStatus(new Status().setCode(messages.length > 0 ? Code.OK : Code.MESSAGE_NOT_FOUND)),
  );
  for (const message of messages) poll.write(new serviceMessages.ReceiveMessageResponse().setMessage(message));
  poll.end();
}

/** Tells a client to connect anew, as a proxy does before it goes down. */
export function reconnectCommand(): service.TelemetryCommand {
  return new serviceMessages.TelemetryCommand().setReconnectEndpointsCommand(new serviceMessages.ReconnectEndpointsCommand().setNonce('n'));
}

/** What a proxy answers to settings: the same, with its own retry policy and limits. */
export function replyToSettings(command: service.TelemetryCommand): service.TelemetryCommand {
  const settings = command.getSettings() ?? new Settings();
  settings.setBackoffPolicy(
    new definitions.RetryPolicy().setMaxAttempts(3).setExponentialBackoff(new definitions.ExponentialBackoff().setMultiplier(1)),
  );
  settings
    .getPublishing()
    ?.setMaxBodySize(4 * 1024 * 1024)
    .setValidateMessageType(true);
  return new serviceMessages.TelemetryCommand().setSettings(settings).setStatus(new Status().setCode(Code.OK));
}

async function routeResponse(
  request: service.QueryRouteRequest,
  status: definition.Status,
  script: ProxyScript,
): Promise<service.QueryRouteResponse> {
  const response = new serviceMessages.QueryRouteResponse();
  const topic = request.getTopic()?.getName() ?? '';
  const addresses = await script.route(topic);
  if (addresses === undefined) return response.setStatus(new Status().setCode(Code.TOPIC_NOT_FOUND).setMessage('No topic route info'));
  for (const address of addresses) {
    const [host = '', port = ''] = address.split(':');
    const where = new definitions.Endpoints().setScheme(definitions.AddressScheme.IPV4);
    where.addAddresses(new Address().setHost(host).setPort(Number(port)));
    response.addMessageQueues(
      new MessageQueue()
        .setTopic(new Resource().setName(topic))
        .setId(0)
        .setPermission(Permission.READ_WRITE)
        .setBroker(new Broker().setName(`broker at ${address}`).setId(0).setEndpoints(where))
        .setAcceptMessageTypesList([MessageType.TRANSACTION]),
    );
  }
  return response.setStatus(status);
}

function receiptResponse(request: service.SendMessageRequest, status: definition.Status): service.SendMessageResponse {
  const response = new serviceMessages.SendMessageResponse().setStatus(status);
  for (const message of request.getMessagesList()) {
    const messageId = message.getSystemProperties()?.getMessageId() ?? '';
    response.addEntries().setStatus(status).setMessageId(messageId).setTransactionId(messageId);
  }
  return response;
}
