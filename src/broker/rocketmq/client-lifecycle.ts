import { BrokerError, ConfigurationError } from '../../errors.ts';
import { withDeadline } from '../../shared/deadline.ts';
import { systemClock } from '../../shared/clock.ts';
import { describeFailure } from './broker-failure.ts';
import { type Endpoints, MessageType, NotFoundException, type Producer, QueryRouteRequest, Resource, type SimpleConsumer, StatusChecker, type service } from './client-package.ts';
import type { ResolvedRocketmqOptions } from './options.ts';
import { RpcChannels } from './rpc-channels.ts';

type Client = Producer | SimpleConsumer;

/** What the client keeps `protected` and the ways round its faults need. Pinned to 1.0.8; the tests fail when it moves. */
interface ClientInternals {
  endpoints: Endpoints;
  rpcClientManager: unknown;
  getTotalRouteEndpoints(): Endpoints[];
}
const internals = (client: Client): ClientInternals => client as unknown as ClientInternals;

/** Puts our channels in the place of the client's before its first request. The client's own are closed, with their timer. */
export function replaceChannels(client: Client, options: ResolvedRocketmqOptions): RpcChannels {
  client.getRpcClientManager().close();
  const channels = new RpcChannels(() => client.getRequestMetadata(), options.tls);
  internals(client).rpcClientManager = channels.asClientManager();
  return channels;
}

/**
 * Asks for the route of one topic until the broker answers or the deadline is over. The client would start without a
 * topic that does not exist as long as another one does, and would never refresh a route behind it again.
 */
export async function requireTopic(
  client: Client,
  channels: RpcChannels,
  topic: string,
  type: keyof typeof MessageType | undefined,
  options: ResolvedRocketmqOptions,
): Promise<void> {
  const { endpoints } = internals(client);
  const request = new QueryRouteRequest().setTopic(new Resource().setName(topic)).setEndpoints(endpoints.toProtobuf());
  const deadline = Date.now() + options.startTimeoutMs;
  for (;;) {
    try {
      const response: service.QueryRouteResponse = await channels.asClientManager().queryRoute(endpoints, request, options.requestTimeoutMs);
      StatusChecker.check(response.getStatus()?.toObject());
      const accepted = new Set(response.getMessageQueuesList().flatMap((queue) => queue.getAcceptMessageTypesList()));
      if (type !== undefined && !accepted.has(MessageType[type])) {
        const names = Object.entries(MessageType).flatMap(([name, value]) => (accepted.has(value as never) ? [name] : []));
        throw new ConfigurationError(
          `topic "${topic}" on ${options.endpoints} takes ${names.join(', ') || 'nothing'}, not ${type}: create it with message.type=${type}`,
        );
      }
      return;
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      if (error instanceof NotFoundException) {
        throw new ConfigurationError(`topic "${topic}" does not exist on ${options.endpoints}: create it first`, { cause: error });
      }
      if (Date.now() >= deadline) {
        throw new BrokerError(`no answer from the RocketMQ proxy at ${options.endpoints} within ${options.startTimeoutMs} ms: ${describeFailure(error)}`, {
          cause: error,
          retryable: true,
        });
      }
      await systemClock.sleep(200);
    }
  }
}

/**
 * `startup()` waits for ever when telemetry is dead, and with several topics can lose the settings reply it waits for:
 * a deadline of our own, and the settings sent again each second.
 */
export async function startClient(client: Client, options: ResolvedRocketmqOptions): Promise<void> {
  const nudge = setInterval(() => {
    for (const endpoints of internals(client).getTotalRouteEndpoints()) client.telemetry(endpoints, client.settingsCommand());
  }, 1_000);
  try {
    await withDeadline(
      client.startup(),
      options.startTimeoutMs,
      () => new BrokerError(`RocketMQ client did not start within ${options.startTimeoutMs} ms on ${options.endpoints}`, { retryable: true }),
    );
  } catch (error) {
    if (error instanceof BrokerError) throw error;
    throw new BrokerError(`RocketMQ client did not start on ${options.endpoints}: ${describeFailure(error)}`, { cause: error, retryable: true });
  } finally {
    clearInterval(nudge);
  }
}

/** `shutdown()` rejects when the proxy is gone, then leaves its streams open, and may hang: bounded, and closed whatever it says. */
export async function stopClient(client: Client, channels: RpcChannels, deadlineMs: number): Promise<void> {
  try {
    await withDeadline(client.shutdown(), deadlineMs, () => new Error('shutdown deadline'));
  } catch {
    // The proxy forgets us by missed heartbeats instead.
  } finally {
    channels.close();
  }
}
