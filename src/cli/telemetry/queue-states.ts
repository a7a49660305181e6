import type { StateSource } from '../../telemetry/state-source.ts';
import type { LoadedConfig } from '../config.ts';
import { rocketmqAdmin } from '../stack/rocketmq-admin.ts';

/** How far each listener's group is behind, as the name server's brokers count it. */
export function queueStates({ messageListeners = [] }: LoadedConfig, namesrv: string): StateSource {
  return {
    name: 'queues',
    cacheMs: 15_000,
    read: async () => {
      const admin = rocketmqAdmin({ namesrv });
      try {
        return await Promise.all(
          messageListeners.map(async ({ name: listener, topic, group }) => ({
            metric: 'checkback.consumer.lag' as const,
            value: await admin.lag(topic, group),
            labels: { listener, topic },
          })),
        );
      } finally {
        admin.close();
      }
    },
  };
}
