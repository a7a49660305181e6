import { type ClientDuplexStream, type ClientReadableStream, type Metadata, type ServiceError, credentials } from '@grpc/grpc-js';
import { Duplex } from 'node:stream';
import { type Endpoints, MessagingServiceClient, type MessagingServiceClientType, type RpcClientManager, type service } from './client-package.ts';

type Stream = ClientDuplexStream<service.TelemetryCommand, service.TelemetryCommand>;
type UnaryName = Exclude<keyof RpcClientManager, 'close' | 'telemetry' | 'receiveMessage' | 'pullMessage'>;

const CHANNEL_OPTIONS = {
  // The server side permits one ping in five minutes; a shorter interval is answered by GOAWAY.
  'grpc.keepalive_time_ms': 300_000,
  'grpc.keepalive_timeout_ms': 20_000,
  'grpc.keepalive_permit_without_calls': 1,
  // 32 messages of 4 MiB each may come in one batch; the client's own limit of 4 MiB would refuse all of them.
  'grpc.max_receive_message_length': -1,
  // Without these a broker that was away for ten minutes is found again only two minutes after its return.
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

/**
 * Takes the place of the client's `RpcClientManager`, which opens a new channel at every route refresh (it keys them by
 * object identity), sets no channel options, and leaves streams behind when it closes. Here: one channel an address,
 * every open stream known, and after `close()` nothing opens again.
 */
export class RpcChannels {
  readonly #metadata: () => Metadata;
  readonly #tls: boolean | { readonly ca: string };
  readonly #clients = new Map<string, MessagingServiceClientType>();
  readonly #streams = new Set<{ cancel(): void }>();
  #closed = false;

  constructor(metadata: () => Metadata, tls: boolean | { readonly ca: string }) {
    this.#metadata = metadata;
    this.#tls = tls;
    const unaries: UnaryName[] = [
      'queryRoute', 'heartbeat', 'sendMessage', 'queryAssignment', 'ackMessage', 'forwardMessageToDeadLetterQueue', 'updateOffset',
      'getOffset', 'queryOffset', 'endTransaction', 'changeInvisibleDuration', 'recallMessage', 'syncLiteSubscription', 'notifyClientTermination',
    ];
    for (const name of unaries) Object.assign(this, { [name]: this.#unary.bind(this, name) });
  }

  /** This object in the shape the client asks for. */
  asClientManager(): RpcClientManager {
    return this as unknown as RpcClientManager;
  }

  /** Channels open now; one an address. */
  get size(): number {
    return this.#clients.size;
  }

  #client(endpoints: Endpoints): MessagingServiceClientType {
    if (this.#closed) throw new Error('the RocketMQ client is closed');
    const address = endpoints.facade;
    let client = this.#clients.get(address);
    if (client === undefined) {
      const tls = this.#tls;
      const channelCredentials =
        tls === false ? credentials.createInsecure() : credentials.createSsl(tls === true ? null : Buffer.from(tls.ca));
      client = new MessagingServiceClient(address, channelCredentials, CHANNEL_OPTIONS);
      this.#clients.set(address, client);
    }
    return client;
  }

  async #unary(name: UnaryName, endpoints: Endpoints, request: unknown, duration: number): Promise<unknown> {
    const client = this.#client(endpoints);
    const call = client[name] as (
      request: unknown,
      metadata: Metadata,
      options: { deadline: number },
      done: (error: ServiceError | null, response: unknown) => void,
    ) => void;
    return new Promise((resolve, reject) => {
      call.call(client, request, this.#metadata(), { deadline: Date.now() + duration }, (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  }

  /** Collects one long poll; `cancelReceives` ends it. */
  async receiveMessage(endpoints: Endpoints, request: service.ReceiveMessageRequest, duration: number): Promise<service.ReceiveMessageResponse[]> {
    const call: ClientReadableStream<service.ReceiveMessageResponse> = this.#client(endpoints).receiveMessage(request, this.#metadata(), {
      deadline: Date.now() + duration,
    });
    this.#streams.add(call);
    try {
      const responses: service.ReceiveMessageResponse[] = [];
      for await (const response of call) responses.push(response as service.ReceiveMessageResponse);
      return responses;
    } finally {
      this.#streams.delete(call);
    }
  }

  /**
   * The client removes every listener from a stream it releases, and a stream that errors without a listener ends the
   * process: so an error listener that survives. Its reconnect timers outlive `shutdown()`: so a stream that leads
   * nowhere once closed, or the dead client would register again and answer check-backs.
   */
  telemetry(endpoints: Endpoints, metadata: Metadata): Stream {
    if (this.#closed) return new Duplex({ objectMode: true, read() {}, write: (_command, _encoding, done) => done() }) as unknown as Stream;
    const stream = this.#client(endpoints).telemetry(metadata) as Stream;
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    const removeAllListeners = stream.removeAllListeners.bind(stream);
    // Arguments as they came: the emitter counts them, and an explicit `undefined` would remove nothing.
    stream.removeAllListeners = (...events) => {
      removeAllListeners(...events);
      if (stream.listenerCount('error') === 0) stream.on('error', () => {});
      return stream;
    };
    return stream;
  }

  /** Ends every stream and channel; what is asked of it afterwards rejects. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const stream of this.#streams) stream.cancel();
    this.#streams.clear();
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}
