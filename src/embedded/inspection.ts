import { deadLetterTopic } from './dead-letters.ts';
import { inspected, type InspectedDelivery, type InspectedMessage } from './delivery-record.ts';
import type { MessageBroker } from './message-broker.ts';

/** A half message that waits for its END. */
export interface InspectedHalf extends InspectedMessage {
  /** Check-back rounds so far. */
  readonly rounds: number;
  /** Milliseconds since the epoch, by the producer's clock. */
  readonly bornAt: number;
}

export interface EmbeddedBrokerStats {
  readonly halves: number;
  readonly commits: number;
  readonly rollbacks: number;
  /** Questions put to a producer, and rounds that found none. */
  readonly checks: number;
  readonly unaskedChecks: number;
  /** ENDs lost on purpose. */
  readonly lostEnds: number;
  /** Messages that became readable. */
  readonly stored: number;
  readonly deliveries: number;
  /** Ended halves whose record is not written yet: a crash brings them back. */
  readonly unwrittenOps: number;
  /** Transactions the proxy's memory has a record of. */
  readonly remembered: number;
  readonly longPolls: number;
  readonly connections: number;
  readonly clients: number;
}

/** What a test may look at. Every answer is a copy of the moment. */
export interface EmbeddedBrokerInspection {
  /** Names of all topics, those of dead letters among them. */
  topics(): readonly string[];
  /** Undecided half messages, oldest first. */
  halfMessages(): readonly InspectedHalf[];
  /** Half messages that were given up after the last check-back round. */
  parked(): readonly InspectedHalf[];
  deadLetters(group: string): readonly InspectedMessage[];
  /** The newest 10,000 deliveries, oldest first. */
  deliveries(): readonly InspectedDelivery[];
  /** Delayed messages that are not readable yet. */
  delayed(): readonly (InspectedMessage & { readonly deliverAt: number })[];
  /** Messages of a topic that a group has not acknowledged, those in progress among them. */
  queued(topic: string, group: string): number;
  readonly stats: EmbeddedBrokerStats;
}

export function inspect(broker: () => MessageBroker, front: () => { connections: number; clients: number }): EmbeddedBrokerInspection {
  return {
    topics: () =>
      broker()
        .topics.all()
        .map(({ name }) => name),
    halfMessages: () => {
      const { halves } = broker().transactions;
      const open = halves.all().filter((half) => !halves.isEnded(half));
      return open.map(({ message, round }) => ({ ...inspected(message), rounds: round, bornAt: message.bornAt }));
    },
    parked: () => broker().transactions.parked.map(({ message, rounds }) => ({ ...inspected(message), rounds, bornAt: message.bornAt })),
    deadLetters: (group) => [...(broker().topics.find(deadLetterTopic(group))?.log ?? [])].map(([, message]) => inspected(message)),
    deliveries: () => broker().deliveries.all(),
    delayed: () =>
      broker()
        .delayed.all()
        .map(({ message }) => ({ ...inspected(message), deliverAt: message.deliverAt ?? 0 })),
    queued: (topic, group) => {
      for (const known of broker().subscriptions()) if (known.topic === topic && known.group === group) return known.subscription.backlog;
      return broker().topics.find(topic)?.log.size ?? 0;
    },
    get stats() {
      const { transactions, deliveries, polls, stored } = broker();
      const { unasked: unaskedChecks, ...stats } = transactions.stats;
      return {
        ...stats,
        unaskedChecks,
        stored,
        deliveries: deliveries.total,
        unwrittenOps: transactions.halves.unwrittenOps,
        remembered: transactions.memory.size,
        longPolls: polls.size,
        ...front(),
      };
    },
  };
}
