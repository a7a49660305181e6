import { type Endpoints, type ILogger, type MessageView, Producer, SimpleConsumer } from 'rocketmq-client-nodejs';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';

/** Says nothing, and has all methods the client calls. */
export const quiet: ILogger = { debug() {}, info() {}, warn() {}, error() {} };

/** The official producer as it is, to show what it does without our adapter. */
export function bareProducer(
  endpoints: string,
  topics: readonly string[],
  check?: (half: MessageView) => Promise<unknown>,
  logger = quiet,
  more: { sslEnabled?: boolean } = {},
): Producer {
  const unknown = definitions.TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED;
  return new Producer({
    endpoints,
    namespace: '',
    topics: [...topics],
    requestTimeout: 1_000,
    logger,
    checker: { check: (check ?? (async () => unknown)) as never },
    ...more,
  });
}

export function bareConsumer(endpoints: string, topic: string, consumerGroup = 'g'): SimpleConsumer {
  return new SimpleConsumer({
    endpoints,
    namespace: '',
    consumerGroup,
    subscriptions: new Map([[topic, '*']]),
    awaitDuration: 1_000,
    requestTimeout: 1_000,
    maxRetryAttempts: 1,
    logger: quiet,
  });
}

/** What the bare client hides; for tests only. */
export type BareInternals = { isolated: Map<string, unknown>; updateRoutes(): Promise<void>; getTotalRouteEndpoints(): Endpoints[] };
export const bareInternals = (client: Producer | SimpleConsumer): BareInternals => client as unknown as BareInternals;

/**
 * Keeps an error listener on every stream of a bare client, whose own would end the test run with it, and gives a
 * function that ends the client for good, whatever state it is in.
 */
export function guard(client: Producer | SimpleConsumer): () => Promise<void> {
  const open = client.createTelemetryStream.bind(client);
  const streams = new Set<ReturnType<typeof open>>();
  let isSilenced = false;
  client.createTelemetryStream = (endpoints) => {
    const stream = open(endpoints);
    const removeAllListeners = stream.removeAllListeners.bind(stream);
    stream.removeAllListeners = (...events) => removeAllListeners(...events).on('error', () => {});
    stream.on('error', () => {});
    streams.add(stream);
    if (isSilenced) stream.cancel();
    return stream;
  };
  return async () => {
    isSilenced = true;
    await client.shutdown().catch(() => {});
    for (const stream of streams) stream.cancel();
    client.getRpcClientManager().close();
  };
}
