import { BrokerError, ConfigurationError } from '../../errors.ts';
import { systemClock } from '../../shared/clock.ts';
import { describeFailure, isRefusal } from './broker-failure.ts';
import { type Client, internals } from './client-internals.ts';
import { MessageType, NotFoundException, QueryRouteRequest, Resource, StatusChecker, type service } from './client-package.ts';
import type { ResolvedRocketmqOptions } from './options.ts';
import type { RpcChannels } from './rpc-channels.ts';

/**
 * Asks for the route of one topic until the broker answers or `deadline` (milliseconds since the epoch) is over. The
 * client would start without a topic that does not exist as long as another one does, and says of a dead proxy only
 * that three attempts failed.
 */
export async function requireTopic(
  client: Client,
  channels: RpcChannels,
  topic: string,
  type: keyof typeof MessageType | undefined,
  options: ResolvedRocketmqOptions,
  deadline: number,
): Promise<void> {
  const { endpoints } = internals(client);
  const request = new QueryRouteRequest().setTopic(new Resource().setName(topic)).setEndpoints(endpoints.toProtobuf());
  for (;;) {
    try {
      const timeoutMs = Math.max(1, Math.min(options.requestTimeoutMs, deadline - Date.now()));
      const response: service.QueryRouteResponse = await channels.asClientManager().queryRoute(endpoints, request, timeoutMs);
      StatusChecker.check(response.getStatus()?.toObject());
      if (type !== undefined) requireType(topic, type, response, options);
      return;
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      if (error instanceof NotFoundException) {
        throw new ConfigurationError(`topic "${topic}" does not exist on ${options.endpoints}: create it first`, { cause: error });
      }
      if (isRefusal(error)) {
        throw new BrokerError(`${options.endpoints} refused to route topic "${topic}": ${describeFailure(error)}`, {
          cause: error,
          retryable: false,
        });
      }
      if (Date.now() + 200 >= deadline) {
        throw new BrokerError(
          `no answer from the RocketMQ proxy at ${options.endpoints} within ${options.startTimeoutMs} ms: ${describeFailure(error)}`,
          { cause: error, retryable: true },
        );
      }
      await systemClock.sleep(200);
    }
  }
}

function requireType(
  topic: string,
  type: keyof typeof MessageType,
  response: service.QueryRouteResponse,
  options: ResolvedRocketmqOptions,
): void {
  const accepted = new Set<number>(response.getMessageQueuesList().flatMap((queue) => queue.getAcceptMessageTypesList()));
  if (accepted.has(MessageType[type])) return;
  const names = Object.entries(MessageType).flatMap(([name, value]) => (accepted.has(value as number) ? [name] : []));
  throw new ConfigurationError(
    `topic "${topic}" on ${options.endpoints} takes ${names.join(', ') || 'nothing'}, not ${type}: create it with message.type=${type}`,
  );
}
