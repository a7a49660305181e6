import type { ClientReadableStream, ClientUnaryCall, Metadata, ServiceError } from '@grpc/grpc-js';
import type { Logger } from '../../shared/logger.ts';
import { CHANNEL_OPTIONS, channelCredentials } from './channel-options.ts';
import {
  Code,
  type Endpoints,
  MessagingServiceClient,
  type MessagingServiceClientType,
  type RpcClientManager,
  type service,
} from './client-package.ts';
import { HeartbeatWatch } from './heartbeat-watch.ts';
import { LastingTelemetryStream } from './lasting-telemetry-stream.ts';
import { LeanCalls } from './lean/lean-calls.ts';

/** What a producer or a SimpleConsumer asks with one request and one answer. */
const UNARY_NAMES = [
  'queryRoute',
  'sendMessage',
  'endTransaction',
  'ackMessage',
  'changeInvisibleDuration',
  'forwardMessageToDeadLetterQueue',
  'notifyClientTermination',
] as const;
type Unary = (
  request: unknown,
  metadata: Metadata,
  options: { deadline: number },
  done: (error: ServiceError | null, response: unknown) => void,
) => ClientUnaryCall;

/** What the channels need to know of the client they serve. */
export interface ServedClient {
  readonly tls: boolean | { readonly ca: string };
  readonly logger: Logger;
  readonly path: 'lean' | 'official';
  readonly requestTimeoutMs: number;
  metadata(): Metadata;
  settings(): service.TelemetryCommand;
  routedAddresses(): readonly string[];
}

/**
 * Takes the place of the client's `RpcClientManager`, which opens a new channel at every route refresh (it keys them by
 * object identity), sets no channel options, and forgets its calls and streams when it closes. Here: one channel an
 * address, replaced when it is dead; every call and stream known; and after `close()` nothing opens again.
 */
export class RpcChannels {
  /** The way beside these channels for what is sent often; absent when it was not chosen. */
  readonly lean: LeanCalls | undefined;
  readonly #served: ServedClient;
  readonly #clients = new Map<string, MessagingServiceClientType>();
  readonly #unaries = new Set<ClientUnaryCall>();
  readonly #polls = new Map<{ cancel(): void }, string>();
  readonly #telemetry = new Map<LastingTelemetryStream, string>();
  readonly #watch = new HeartbeatWatch();
  /** Where the last answer from an address came from. */
  readonly #peers = new Map<string, string>();
  readonly #closed = new AbortController();

  constructor(served: ServedClient) {
    this.#served = served;
    const { tls, logger, path, requestTimeoutMs } = served;
    if (path === 'lean') {
      this.lean = new LeanCalls({
        tls,
        logger,
        timeoutMs: requestTimeoutMs,
        metadata: () => served.metadata().getMap() as Record<string, string>,
        peer: (address) => this.#peers.get(address),
      });
    }
    for (const name of UNARY_NAMES) Object.assign(this, { [name]: this.#unary.bind(this, name) });
  }

  /** This object in the shape the client asks for. */
  asClientManager(): RpcClientManager {
    return this as unknown as RpcClientManager;
  }

  /** Aborted by `close()`. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** The client ignores the answer, and with it the one that says "I do not know you": such a proxy is told the settings again. */
  async heartbeat(endpoints: Endpoints, request: service.HeartbeatRequest, duration: number): Promise<service.HeartbeatResponse> {
    const address = endpoints.facade;
    try {
      const response = (await this.#unary('heartbeat', endpoints, request, duration)) as service.HeartbeatResponse;
      if ((response.getStatus()?.getCode() ?? Code.OK) !== Code.OK) this.#announce(address);
      return response;
    } catch (error) {
      if (!this.closed.aborted && this.#watch.heartbeatFailed(address, error)) this.#replaceChannel(address);
      throw error;
    }
  }

  /** Collects one long poll. Aborting ends it at once; what had arrived by then is still returned. */
  async receiveMessage(
    endpoints: Endpoints,
    request: service.ReceiveMessageRequest,
    duration: number,
    signal?: AbortSignal,
  ): Promise<service.ReceiveMessageResponse[]> {
    // An abort that came first fires no event any more.
    const isAborted = (): boolean => signal?.aborted === true;
    if (isAborted()) return [];
    const call: ClientReadableStream<service.ReceiveMessageResponse> = this.#client(endpoints).receiveMessage(
      request,
      this.#served.metadata(),
      {
        deadline: Date.now() + duration,
      },
    );
    const cancel = (): void => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    this.#polls.set(call, endpoints.facade);
    const responses: service.ReceiveMessageResponse[] = [];
    try {
      for await (const response of call) responses.push(response as service.ReceiveMessageResponse);
      this.#watch.answered(endpoints.facade);
    } catch (error) {
      if (!isAborted()) throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.#polls.delete(call);
    }
    return responses;
  }

  telemetry(endpoints: Endpoints): LastingTelemetryStream {
    const stream = new LastingTelemetryStream({
      address: endpoints.facade,
      logger: this.#served.logger,
      open: () => this.#client(endpoints).telemetry(this.#served.metadata()),
      settings: () => this.#served.settings(),
      isRouted: () => this.#served.routedAddresses().includes(endpoints.facade),
    });
    // The client's reconnect after close() included: a stream that leads nowhere.
    if (this.closed.aborted) stream.end();
    for (const old of this.#telemetry.keys()) if (old.isEnded) this.#telemetry.delete(old);
    this.#telemetry.set(stream, endpoints.facade);
    return stream;
  }

  /** Is asked nothing for `ms`. Unary calls go on, answers to earlier questions among them. */
  pauseTelemetry(ms: number): void {
    for (const stream of this.#telemetry.keys()) stream.pause(ms);
  }

  /** Ends every call, stream and channel at once; what is asked of it afterwards rejects. Resolves when the lean connections are gone too. Idempotent. */
  async close(): Promise<void> {
    this.#closed.abort(new Error('the RocketMQ client is closed'));
    for (const stream of this.#telemetry.keys()) stream.end();
    for (const call of [...this.#unaries, ...this.#polls.keys()]) call.cancel();
    for (const client of this.#clients.values()) client.close();
    for (const known of [this.#telemetry, this.#unaries, this.#polls, this.#clients]) known.clear();
    await this.lean?.close();
  }

  #client(endpoints: Endpoints): MessagingServiceClientType {
    this.closed.throwIfAborted();
    const address = endpoints.facade;
    let client = this.#clients.get(address);
    if (client === undefined) {
      client = new MessagingServiceClient(address, channelCredentials(this.#served.tls), CHANNEL_OPTIONS);
      this.#clients.set(address, client);
    }
    return client;
  }

  async #unary(
    name: (typeof UNARY_NAMES)[number] | 'heartbeat',
    endpoints: Endpoints,
    request: unknown,
    duration: number,
  ): Promise<unknown> {
    const client = this.#client(endpoints);
    return new Promise((resolve, reject) => {
      const call = (client[name] as Unary).call(
        client,
        request,
        this.#served.metadata(),
        { deadline: Date.now() + duration },
        (error, response) => {
          this.#unaries.delete(call);
          if (error) return reject(error);
          this.#watch.answered(endpoints.facade);
          this.#peers.set(endpoints.facade, call.getPeer());
          resolve(response);
        },
      );
      this.#unaries.add(call);
    });
  }

  #announce(address: string): void {
    this.#served.logger.warn({ address }, 'the proxy does not know this client any more; sending its settings again');
    for (const [stream, at] of this.#telemetry) if (at === address) stream.write(this.#served.settings());
  }

  /** Unary calls under way keep their own deadlines on the old channel; long polls and telemetry would wait in vain. */
  #replaceChannel(address: string): void {
    this.#served.logger.warn({ address }, 'heartbeats time out; giving the connection up and opening a new one');
    const dead = this.#clients.get(address);
    this.#clients.delete(address);
    for (const [call, at] of this.#polls) if (at === address) call.cancel();
    for (const [stream, at] of this.#telemetry) if (at === address) stream.reopen();
    dead?.close();
    // It leads to the same place, most likely over the same cut.
    this.lean?.retire(address);
  }
}
