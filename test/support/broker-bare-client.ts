import { type ILogger, type MessageView, Producer, SimpleConsumer } from 'rocketmq-client-nodejs';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';

/** Says nothing, and has all methods the client calls. */
export const quiet: ILogger = { debug() {}, info() {}, warn() {}, error() {} };

/** The official producer as it is, to show what it does without our adapter. */
export function bareProducer(endpoints: string, topics: readonly string[], check?: (half: MessageView) => Promise<unknown>, logger = quiet): Producer {
  const unknown = definitions.TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED;
  return new Producer({
    endpoints,
    namespace: '',
    topics: [...topics],
    requestTimeout: 1_000,
    logger,
    checker: { check: (check ?? (async () => unknown)) as never },
  });
}

export function bareConsumer(endpoints: string, topic: string): SimpleConsumer {
  return new SimpleConsumer({
    endpoints,
    namespace: '',
    consumerGroup: 'g',
    subscriptions: new Map([[topic, '*']]),
    awaitDuration: 1_000,
    requestTimeout: 1_000,
    maxRetryAttempts: 1,
    logger: quiet,
  });
}

/** What the bare client hides; for tests only. */
export type BareInternals = { isolated: Map<string, unknown>; updateRoutes(): Promise<void> };
export const bareInternals = (client: Producer | SimpleConsumer): BareInternals => client as unknown as BareInternals;

/** Ends a bare client for good, whatever state it is in, so that it cannot disturb the next test. */
export async function silence(client: Producer | SimpleConsumer): Promise<void> {
  const { createTelemetryStream } = client;
  // Its reconnect timers call this; a throw in them would be an uncaught exception.
  client.createTelemetryStream = (endpoints) => {
    const stream = createTelemetryStream.call(client, endpoints);
    stream.on('error', () => {});
    stream.cancel();
    return stream;
  };
  await client.shutdown().catch(() => {});
  client.getRpcClientManager().close();
}
