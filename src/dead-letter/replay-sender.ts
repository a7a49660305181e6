import { MESSAGE_PROPERTY } from '../broker/message.ts';
import type { OutgoingMessage } from '../broker/message.ts';
import type { Producer, ProducerTopicType } from '../broker/producer.ts';
import type { CheckBack, TransactionalBroker, TransactionalProducer } from '../broker/transactional-producer.ts';
import { BrokerError, ClosedError, ConfigurationError } from '../errors.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import { messageOf } from '../shared/error-message.ts';
import { REPLAY_PROPERTY } from './message-identity.ts';

/** What a topic was created to take. */
export type TopicType = 'NORMAL' | 'DELAY' | 'TRANSACTION' | 'FIFO';

/** What a replay needs of a broker. */
export interface ReplayBroker extends Pick<TransactionalBroker, 'startTransactionalProducer'> {
  /** Asks the broker. Rejects with `ConfigurationError` when there is no such topic, with `BrokerError` when nobody answers. */
  topicType(topic: string): Promise<TopicType>;
  startProducer(options: { readonly topic: string; readonly type: ProducerTopicType }): Promise<Producer>;
}

export interface ReplaySenderOptions {
  /** How long a half whose END was not confirmed may wait for its check-back. Default 60,000: twice the recommended `transactionTimeOut`. */
  readonly endTimeoutMs: number;
  /** How long the transactional producer stays after the last END, so that a check-back already under way is answered. Default 2,000. */
  readonly settleMs: number;
}

export const DEFAULT_REPLAY_SENDER_OPTIONS: ReplaySenderOptions = Object.freeze({ endTimeoutMs: 60_000, settleMs: 2_000 });

/** Sends messages into topics of any type but FIFO. Opens one producer a topic, when it is first sent to. */
export interface ReplaySender {
  /**
   * Resolved means delivered sooner or later. A TRANSACTION topic takes no ordinary message, so there it is a half and its
   * COMMIT. Rejects with `ConfigurationError`, `HalfMessageError` or `BrokerError`; sending again may deliver twice.
   */
  send(message: OutgoingMessage): Promise<void>;
  close(): Promise<void>;
}

/** Checks the options; throws `RangeError`. Opens nothing before the first message. */
export const openReplaySender = (
  broker: ReplayBroker,
  options: Partial<ReplaySenderOptions> = {},
  clock: Clock = systemClock,
): ReplaySender => new BrokerReplaySender(broker, resolve(options), clock);

const resolve = (options: Partial<ReplaySenderOptions>): ReplaySenderOptions => {
  const resolved = { ...DEFAULT_REPLAY_SENDER_OPTIONS, ...options };
  for (const [option, value] of Object.entries(resolved)) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${option} must be a whole number of at least 0, it is ${value}`);
  }
  return Object.freeze(resolved);
};

interface Route {
  send(message: OutgoingMessage): Promise<void>;
  close(): Promise<void>;
}

class BrokerReplaySender implements ReplaySender {
  readonly #broker: ReplayBroker;
  readonly #options: ReplaySenderOptions;
  readonly #clock: Clock;
  readonly #routes = new Map<string, Promise<Route>>();
  #closing: Promise<void> | undefined;

  constructor(broker: ReplayBroker, options: ReplaySenderOptions, clock: Clock) {
    this.#broker = broker;
    this.#options = options;
    this.#clock = clock;
  }

  async send(message: OutgoingMessage): Promise<void> {
    if (this.#closing) throw new ClosedError('the replay sender is closed');
    let route = this.#routes.get(message.topic);
    if (route === undefined) {
      route = this.#open(message.topic);
      this.#routes.set(message.topic, route);
      // A broker that was away may be back at the next message.
      route.catch(() => this.#routes.delete(message.topic));
    }
    await (await route).send(message);
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#routes.values()).then(async (routes) => {
      await Promise.all(routes.flatMap((route) => (route.status === 'fulfilled' ? [route.value.close()] : [])));
    });
    return this.#closing;
  }

  async #open(topic: string): Promise<Route> {
    const type = await this.#broker.topicType(topic);
    if (type === 'FIFO') throw new ConfigurationError(`topic "${topic}" is FIFO: a replay would come out of its order`);
    if (type === 'TRANSACTION') return openTransactionalRoute(this.#broker, topic, this.#options, this.#clock);
    const producer = await this.#broker.startProducer({ topic, type });
    return { send: async (message) => void (await producer.send(message)), close: () => producer.close() };
  }
}

/** A half somebody may be asked about: known by the letter and by its transaction. */
const halfKey = ({ properties }: Pick<OutgoingMessage, 'properties'>): string =>
  `${properties[REPLAY_PROPERTY]} ${properties[MESSAGE_PROPERTY.transactionId] ?? ''}`;

const openTransactionalRoute = async (
  broker: ReplayBroker,
  topic: string,
  { endTimeoutMs, settleMs }: ReplaySenderOptions,
  clock: Clock,
): Promise<Route> => {
  const sent = new Map<string, PromiseWithResolvers<void>>();
  // Any producer of a topic is asked about anybody's halves. A replay knows its own: those are to be delivered.
  const checkBack: CheckBack = async (half) => {
    const own = sent.get(halfKey(half));
    own?.resolve();
    return own === undefined ? 'UNKNOWN' : 'COMMIT';
  };
  const producer: TransactionalProducer = await broker.startTransactionalProducer({ topics: [topic], checkBack });
  return {
    send: async (message) => {
      const asked = Promise.withResolvers<void>();
      sent.set(halfKey(message), asked);
      const half = await producer.sendHalf(message);
      try {
        await half.end('COMMIT');
      } catch (cause) {
        // The half is stored: the broker asks about it, here or at its owner, and COMMIT is the answer.
        await withDeadline(
          asked.promise,
          endTimeoutMs,
          () =>
            new BrokerError(`COMMIT of a replay into topic "${topic}" was not confirmed, and no check-back came: ${messageOf(cause)}`, {
              cause,
              retryable: true,
            }),
        );
      }
    },
    close: async () => {
      if (sent.size > 0) await clock.sleep(settleMs);
      await producer.close();
    },
  };
};
