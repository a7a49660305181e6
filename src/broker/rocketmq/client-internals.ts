import type { Endpoints, FilterExpression, MessageQueue, Producer, SimpleConsumer, TopicRouteData, service } from './client-package.ts';

export type Client = Producer | SimpleConsumer;

/**
 * What the client keeps `protected` and the ways round its faults need. Pinned to 1.0.8; the tests of this folder fail
 * when it moves.
 */
interface ClientInternals {
  endpoints: Endpoints;
  topics: Set<string>;
  rpcClientManager: unknown;
  getTotalRouteEndpoints(): Endpoints[];
  getRouteData(topic: string): Promise<TopicRouteData>;
  updateRoutes(): Promise<void>;
  sleep(ms: number): Promise<void>;
}

interface ConsumerInternals extends ClientInternals {
  wrapReceiveMessageRequest(
    max: number,
    queue: MessageQueue,
    filter: FilterExpression,
    invisibleMs: number,
    awaitMs: number,
  ): service.ReceiveMessageRequest;
}

export function internals(client: SimpleConsumer): ConsumerInternals;
export function internals(client: Client): ClientInternals;
export function internals(client: Client): ClientInternals {
  return client as unknown as ClientInternals;
}
