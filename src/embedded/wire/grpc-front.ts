import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { acknowledge, changeInvisibleDuration, forwardToDeadLetterQueue } from './acknowledge.ts';
import { type BrokerContext, type CallOf, unary } from './broker-call.ts';
import { ConnectionGate } from './connection-gate.ts';
import { takeEndlessDeadlines } from './endless-deadline.ts';
import { endTransaction } from './end-transaction.ts';
import {
  AckMessageResponse,
  ChangeInvisibleDurationResponse,
  EndTransactionResponse,
  ForwardMessageToDeadLetterQueueResponse,
  HeartbeatResponse,
  MessagingServiceService,
  NotifyClientTerminationResponse,
  QueryAssignmentResponse,
  QueryRouteResponse,
  SendMessageResponse,
  type service,
} from './grpc-package.ts';
import { receiveMessages } from './receive-messages.ts';
import { queryAssignment, queryRoute } from './routes.ts';
import { sendMessages } from './send-messages.ts';
import { heartbeat, notifyClientTermination, telemetry } from './telemetry.ts';

/** Room for a batch of messages of the largest size; anything larger is refused by its length, before it is read. */
const MAX_REQUEST_BYTES = 32 * 1_024 * 1_024;

/** The protocol's service on one listening socket. */
export class GrpcFront {
  readonly #server: Server;
  readonly #gate: ConnectionGate;

  constructor(context: BrokerContext) {
    this.#server = new Server({
      'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': 1_000,
      'grpc-node.max_session_memory': 64,
      'grpc.max_metadata_size': 16 * 1_024,
      'grpc.enable_channelz': 0,
    });
    this.#server.addService(MessagingServiceService, implementation(context));
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    takeEndlessDeadlines(this.#server);
    this.#gate = new ConnectionGate(context.settings.maxConnections, (socket) => injector.injectConnection(socket));
  }

  get connections(): number {
    return this.#gate.connections;
  }

  listen(host: string, port: number): Promise<number> {
    return this.#gate.listen(host, port);
  }

  /** Ends every call, stream and connection at once. Idempotent. */
  async close(): Promise<void> {
    this.#server.forceShutdown();
    await this.#gate.close();
  }
}

function implementation(context: BrokerContext) {
  const unimplemented = (what: string) => (_: unknown, done: (error: object) => void) =>
    done({ code: status.UNIMPLEMENTED, details: `the embedded broker does not support ${what}` });
  const unimplementedStream = (what: string) => (call: { emit(event: 'error', error: object): void }) =>
    call.emit('error', { code: status.UNIMPLEMENTED, details: `the embedded broker does not support ${what}` });
  return {
    queryRoute: unary(context, QueryRouteResponse, (call: CallOf<service.QueryRouteRequest>) => queryRoute(context, call)),
    queryAssignment: unary(context, QueryAssignmentResponse, (call: CallOf<service.QueryAssignmentRequest>) =>
      queryAssignment(context, call),
    ),
    heartbeat: unary(context, HeartbeatResponse, (call: CallOf<service.HeartbeatRequest>) => heartbeat(context, call)),
    sendMessage: unary(context, SendMessageResponse, (call: CallOf<service.SendMessageRequest>) => sendMessages(context, call)),
    endTransaction: unary(context, EndTransactionResponse, (call: CallOf<service.EndTransactionRequest>) => endTransaction(context, call)),
    ackMessage: unary(context, AckMessageResponse, (call: CallOf<service.AckMessageRequest>) => acknowledge(context, call)),
    changeInvisibleDuration: unary(context, ChangeInvisibleDurationResponse, (call: CallOf<service.ChangeInvisibleDurationRequest>) =>
      changeInvisibleDuration(context, call),
    ),
    forwardMessageToDeadLetterQueue: unary(
      context,
      ForwardMessageToDeadLetterQueueResponse,
      (call: CallOf<service.ForwardMessageToDeadLetterQueueRequest>) => forwardToDeadLetterQueue(context, call),
    ),
    notifyClientTermination: unary(context, NotifyClientTerminationResponse, (call: CallOf<service.NotifyClientTerminationRequest>) =>
      notifyClientTermination(context, call),
    ),
    receiveMessage: (call: Parameters<typeof receiveMessages>[1]) => void receiveMessages(context, call),
    telemetry: (stream: Parameters<typeof telemetry>[1]) => telemetry(context, stream),
    pullMessage: unimplementedStream('pulling by offset; receive messages instead'),
    updateOffset: unimplemented('offsets; acknowledge messages instead'),
    getOffset: unimplemented('offsets; receive messages instead'),
    queryOffset: unimplemented('offsets; receive messages instead'),
    recallMessage: unimplemented('taking a delayed message back'),
    syncLiteSubscription: unimplemented('lite topics'),
  } as never;
}
