import type { OutgoingMessage, Resolution, SentHalfMessage, TransactionalBroker } from '../../src/index.ts';

/** What passed a watched broker, in its order. */
export interface BrokerTraffic {
  /** Half messages handed to the broker, stored or not. */
  readonly halves: OutgoingMessage[];
  /** ENDs that were asked for; `dropped` ones never left. */
  readonly ends: { readonly message: OutgoingMessage; readonly resolution: Exclude<Resolution, 'UNKNOWN'>; readonly dropped: boolean }[];
}

/** A broker that notes what passes, and drops the END of every message that `drops` names, as a lost packet would: the sender sees success. */
export function watchedBroker(
  broker: TransactionalBroker,
  drops: (message: OutgoingMessage) => boolean = () => false,
): TransactionalBroker & BrokerTraffic {
  const traffic: BrokerTraffic = { halves: [], ends: [] };
  const watch = (message: OutgoingMessage, half: SentHalfMessage): SentHalfMessage => ({
    messageId: half.messageId,
    end: async (resolution) => {
      const dropped = drops(message);
      traffic.ends.push({ message, resolution, dropped });
      if (!dropped) await half.end(resolution);
    },
  });
  return {
    ...traffic,
    async startTransactionalProducer(options) {
      const producer = await broker.startTransactionalProducer(options);
      return {
        sendHalf: async (message) => {
          traffic.halves.push(message);
          return watch(message, await producer.sendHalf(message));
        },
        stepAside: (ms) => producer.stepAside?.(ms),
        close: (deadlineMs) => producer.close(deadlineMs),
      };
    },
  };
}
