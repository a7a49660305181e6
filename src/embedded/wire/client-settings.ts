import type { BrokerContext } from './broker-call.ts';
import { CustomizedBackoff, type definition, duration, ExponentialBackoff, Metric, RetryPolicy } from './grpc-package.ts';

/** Between the deliveries of a message to a push consumer, a group that was given no other policy (`CustomizedRetryPolicy`). */
const RETRY_PAUSES_S = [1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1_200, 1_800, 3_600, 7_200];
const DEFAULT_RETRY_MAX_TIMES = 16;
const RECEIVE_BATCH = 32;

/** The settings a client sent, with what the broker decides written into them (`GrpcClientSettingsManager`). */
export function mergedSettings({ broker, settings }: BrokerContext, merged: definition.Settings): definition.Settings {
  merged.setMetric(new Metric().setOn(false));
  const publishing = merged.getPublishing();
  if (publishing !== undefined) {
    publishing.setMaxBodySize(settings.maxBodyBytes).setValidateMessageType(true);
    const backoff = new ExponentialBackoff().setInitial(duration(10)).setMax(duration(1_000)).setMultiplier(2);
    return merged.setBackoffPolicy(new RetryPolicy().setMaxAttempts(3).setExponentialBackoff(backoff));
  }
  const group = broker.groups.find(merged.getSubscription()?.getGroup()?.getName() ?? '');
  merged
    .getSubscription()
    ?.setReceiveBatchSize(RECEIVE_BATCH)
    .setLongPollingTimeout(duration(settings.maxLongPollMs))
    .setFifo(group?.isFifo ?? false);
  const backoff = new CustomizedBackoff().setNextList(RETRY_PAUSES_S.map((seconds) => duration(seconds * 1_000)));
  const maxAttempts = (group?.retryMaxTimes ?? DEFAULT_RETRY_MAX_TIMES) + 1;
  return merged.setBackoffPolicy(new RetryPolicy().setMaxAttempts(maxAttempts).setCustomizedBackoff(backoff));
}
