import type { Consumer, Delivery } from '../broker/consumer.ts';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import { ConfigurationError } from '../errors.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import type { CallOf } from './call-of-message.ts';
import { deadLetterTopic } from './dead-letter.ts';
import type { DeadLetterStore } from './dead-letter-store.ts';
import { keepMessage } from './keep-message.ts';

/** What the drain needs of a broker. */
export interface DrainedBroker {
  startConsumer(consumer: {
    readonly topic: string;
    readonly group: string;
    /** Hands out what cannot be decoded as the bytes that came, instead of moving it to the drain's own dead-letter queue. */
    readonly keepUndecodable?: boolean | undefined;
  }): Promise<Consumer>;
}

export interface DrainOptions {
  readonly broker: DrainedBroker;
  readonly store: DeadLetterStore;
  /** The consumer group whose `%DLQ%<group>` is drained. */
  readonly group: string;
  /** The topic the group consumes, when it is the only one: the queue does not say it. Default: not known. */
  readonly topic?: string | undefined;
  /** Finds listener and idempotency key. Default: they are not recorded. */
  readonly callOf?: CallOf | undefined;
  /** Reads the queue; made with a high retry limit (1000), or its own limit swallows what the store refused for long. Default `<group>-dlq-drain`. */
  readonly drainGroup?: string | undefined;
  /** How long a message stays invisible while it is being kept. Default 30,000. */
  readonly invisibleMs?: number | undefined;
  /** Pause before the topic is asked for again, doubled up to `maxPauseMs`. Default 5,000. */
  readonly pauseMs?: number | undefined;
  /** Default 60,000. */
  readonly maxPauseMs?: number | undefined;
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Keeps what the broker gave up by its own limit: every message of `%DLQ%<group>` is stored, then acknowledged. The queue
 * does not exist before its first message, so it is waited for; a broker or a database that is away is waited for as well.
 * Runs until `signal` aborts; never rejects.
 */
export const drainBrokerDeadLetters = async (options: DrainOptions, signal: AbortSignal): Promise<void> => {
  const { broker, group, drainGroup = `${group}-dlq-drain`, logger = silentLogger, clock = systemClock } = options;
  const { pauseMs = 5_000, maxPauseMs = 60_000 } = options;
  const topic = deadLetterTopic(group);
  for (let pause = pauseMs; !signal.aborted; pause = Math.min(pause * 2, maxPauseMs)) {
    let consumer: Consumer | undefined;
    try {
      consumer = await broker.startConsumer({ topic, group: drainGroup, keepUndecodable: true });
      logger.info({ topic, group: drainGroup }, 'drains the dead-letter queue');
      await drain(consumer, options, signal, () => (pause = pauseMs / 2));
    } catch (error) {
      if (signal.aborted) return;
      const fields = { topic, group: drainGroup, error, pauseMs: pause };
      if (error instanceof ConfigurationError) logger.debug(fields, 'no dead-letter queue yet; asking again later');
      else logger.warn(fields, 'the dead-letter queue cannot be read; asking again later');
    } finally {
      await consumer?.close();
    }
    await clock.sleep(pause, signal).catch(() => {});
  }
};

const drain = async (consumer: Consumer, options: DrainOptions, signal: AbortSignal, onReceived: () => void): Promise<void> => {
  for (;;) {
    const deliveries = await consumer.receive(16, options.invisibleMs ?? 30_000, signal);
    onReceived();
    await Promise.all(deliveries.map((delivery) => keep(delivery, options)));
  }
};

const keep = async (delivery: Delivery, options: DrainOptions): Promise<void> => {
  const { store, group, topic: knownTopic, callOf, logger = silentLogger } = options;
  const { message } = delivery;
  const topic = knownTopic ?? deadLetterTopic(group);
  const fields = {
    topic,
    group,
    messageId: message.messageId,
    correlationId: message.properties[MESSAGE_PROPERTY.correlationId] ?? message.messageId,
  };
  try {
    const id = await keepMessage(store, message, {
      topic,
      group,
      listener: undefined,
      call: await callOf?.(message, group, topic),
      reason: 'BROKER_LIMIT',
      reasonText: `the broker moved it to ${deadLetterTopic(group)} after its own limit of deliveries`,
      error: undefined,
      by: 'drain',
    });
    await delivery.ack();
    logger.error({ ...fields, deadLetter: id }, 'dead by the limit of the broker; kept');
  } catch (error) {
    // Invisible until its time is over, then it comes again; kept twice is kept once.
    logger.warn({ ...fields, error }, 'a dead letter of the broker was not kept and acknowledged; it comes again');
  }
};
