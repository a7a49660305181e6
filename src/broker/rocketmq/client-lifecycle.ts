import { BrokerError } from '../../errors.ts';
import { systemClock } from '../../shared/clock.ts';
import { withDeadline } from '../../shared/deadline.ts';
import { describeFailure } from './broker-failure.ts';
import { type Client, internals } from './client-internals.ts';
import type { ResolvedRocketmqOptions } from './options.ts';
import { refreshEachRouteAlone } from './refresh-routes.ts';
import { RpcChannels } from './rpc-channels.ts';

/** How often a start repeats its settings. */
const NUDGE_MS = 500;

/** Puts our channels in the place of the client's before its first request. The client's own are closed, with their timer. */
export function replaceChannels(client: Client, options: ResolvedRocketmqOptions): RpcChannels {
  client.getRpcClientManager().close();
  const inner = internals(client);
  const channels = new RpcChannels({
    tls: options.tls,
    logger: options.logger,
    path: options.path,
    requestTimeoutMs: options.requestTimeoutMs,
    metadata: () => client.getRequestMetadata(),
    settings: () => client.settingsCommand(),
    routedAddresses: () => inner.getTotalRouteEndpoints().map((endpoints) => endpoints.facade),
  });
  inner.rpcClientManager = channels.asClientManager();
  // Its pauses between attempts to start would go on after `close()`.
  inner.sleep = (ms) => systemClock.sleep(ms, channels.closed);
  refreshEachRouteAlone(client);
  return channels;
}

/**
 * `startup()` waits for ever when telemetry is dead, and with several topics can lose the settings reply it waits for:
 * a deadline of our own, and the settings sent again until it is there.
 */
export async function startClient(client: Client, options: ResolvedRocketmqOptions, deadline: number): Promise<void> {
  const nudge = setInterval(() => resendSettings(client), NUDGE_MS);
  try {
    await withDeadline(
      client.startup(),
      Math.max(0, deadline - Date.now()),
      () => new Error(`not ready within ${options.startTimeoutMs} ms`),
    );
  } catch (error) {
    throw new BrokerError(`RocketMQ client did not start on ${options.endpoints}: ${describeFailure(error)}`, {
      cause: error,
      retryable: true,
    });
  } finally {
    clearInterval(nudge);
  }
}

function resendSettings(client: Client): void {
  for (const endpoints of internals(client).getTotalRouteEndpoints()) client.telemetry(endpoints, client.settingsCommand());
}

/**
 * `shutdown()` rejects when the proxy is gone and then leaves streams and channels open, or hangs on one that does not
 * answer: bounded, and closed whatever it says. Asked a second time because a start that was under way may have set its
 * timers after the first; nothing can reach the network then. Never rejects.
 */
export async function stopClient(client: Client, channels: RpcChannels, deadlineMs: number): Promise<void> {
  const ignore = (): void => {};
  // The proxy forgets a client that could not say goodbye by its missed heartbeats.
  await withDeadline(client.shutdown(), deadlineMs, () => new Error('shutdown deadline')).catch(ignore);
  await channels.close();
  await client.shutdown().catch(ignore);
}
