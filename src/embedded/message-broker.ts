import type { EmbeddedBrokerSettings } from './broker-settings.ts';
import { type ConsumerGroup, ConsumerGroups } from './consumer-group.ts';
import { deadLetterOf, requireDeadLetterTopic } from './dead-letters.ts';
import { DelayedMessages } from './delayed-messages.ts';
import type { DeliveryRecord } from './delivery-record.ts';
import type { FaultSwitches } from './fault-switches.ts';
import type { Half } from './half-messages.ts';
import type { Journal } from './journal-record.ts';
import { LongPolls } from './long-polls.ts';
import type { EmbeddedTopicType, IncomingMessage, StoredMessage } from './stored-message.ts';
import { type Held, Subscription } from './subscription.ts';
import type { Timetable } from './timetable.ts';
import { numbered, type Topic, Topics } from './topics.ts';
import { Transactions } from './transactions.ts';

export interface MessageBrokerPorts {
  readonly settings: EmbeddedBrokerSettings;
  readonly timetable: Timetable;
  readonly journal: Journal;
  readonly faults: FaultSwitches;
  readonly deliveries: DeliveryRecord;
  /** Puts a check-back question to some producer of the topic; `false` when none is online. */
  readonly ask: (half: Half) => boolean;
}

/** What the broker does with messages, and nothing of how they come and go. Time is the timetable's. */
export class MessageBroker {
  readonly topics = new Topics();
  readonly groups = new ConsumerGroups();
  readonly transactions: Transactions;
  readonly delayed: DelayedMessages;
  readonly polls: LongPolls;
  readonly deliveries: DeliveryRecord;
  readonly #ports: MessageBrokerPorts;
  /** By topic, then by group. */
  readonly #subscriptions = new Map<string, Map<string, Subscription>>();
  #receiptId: number;
  #stored = 0;

  constructor(ports: MessageBrokerPorts) {
    this.#ports = ports;
    const { settings, timetable, journal, faults } = ports;
    // Above those of an earlier life of the broker: their receipts must not fit today's deliveries.
    this.#receiptId = timetable.now() * 1_024;
    this.deliveries = ports.deliveries;
    this.polls = new LongPolls(timetable);
    this.delayed = new DelayedMessages(timetable, (id, message) => {
      this.store(message);
      journal.append({ kind: 'due', id });
    });
    this.transactions = new Transactions(settings, timetable, journal, faults, {
      deliver: (message) => this.store(message),
      ask: ports.ask,
    });
  }

  createTopic(name: string, type: EmbeddedTopicType, queues = 4): Topic {
    const topic = this.topics.create(name, type, queues);
    this.#ports.journal.append({ kind: 'topic', name, type, queues, first: topic.log.first });
    return topic;
  }

  createGroup(group: ConsumerGroup): void {
    this.groups.create(group);
    this.#ports.journal.append({ kind: 'group', ...group });
  }

  /** Takes a message as its kind demands: readable now, readable later, or as a half. */
  accept(message: IncomingMessage): void {
    if (message.kind === 'TRANSACTION') this.transactions.store(message);
    else if (message.deliverAt !== undefined) {
      const id = this.delayed.add(message);
      this.#ports.journal.append({ kind: 'delay', id, message });
    } else this.store(message);
  }

  /** Makes a message readable. */
  store(message: IncomingMessage): void {
    const topic = this.topics.require(message.topic);
    this.#append(topic, numbered(topic, message, this.#ports.timetable.now()));
  }

  /** Where a group reads a topic. The first time it starts at the oldest message that is still here. */
  subscription(topicName: string, groupName: string): Subscription {
    const topic = this.topics.require(topicName);
    this.groups.require(groupName);
    const existing = this.#subscriptions.get(topicName)?.get(groupName);
    if (existing !== undefined) return existing;
    const subscription = this.join(topic, groupName, topic.log.first);
    this.#ports.journal.append({ kind: 'join', group: groupName, topic: topicName, position: subscription.position });
    return subscription;
  }

  join(topic: Topic, groupName: string, position: number): Subscription {
    const { timetable, journal, faults } = this.#ports;
    const subscription: Subscription = new Subscription(
      topic,
      () => this.groups.require(groupName),
      timetable,
      {
        handedOut: (delivery) => {
          this.deliveries.add(groupName, delivery);
          const { number, attempt } = delivery;
          journal.append({ kind: 'handed', group: groupName, topic: topic.name, number, attempt });
        },
        done: (number) => {
          journal.append({ kind: 'done', group: groupName, topic: topic.name, number });
          this.#letGo(topic.name);
        },
        deadLetter: (held) => this.bury(groupName, held),
        isDuplicated: () => faults.takeDuplicateDelivery(),
        readable: () => this.polls.serve(subscription),
      },
      () => (this.#receiptId += 1),
      position,
    );
    const groups = this.#subscriptions.get(topic.name) ?? new Map<string, Subscription>();
    this.#subscriptions.set(topic.name, groups.set(groupName, subscription));
    return subscription;
  }

  /** Puts a message among the dead letters of a group. */
  bury(groupName: string, { message }: Held): void {
    const { topic, isNew } = requireDeadLetterTopic(this.topics, groupName);
    const { name, type, queues } = topic;
    if (isNew) this.#ports.journal.append({ kind: 'topic', name, type, queues, first: 0 });
    this.#append(topic, numbered(topic, deadLetterOf(message), this.#ports.timetable.now()));
  }

  /** Every subscription, for inspection and for a new journal. */
  *subscriptions(): Generator<{ topic: string; group: string; subscription: Subscription }> {
    for (const [topic, groups] of this.#subscriptions) for (const [group, subscription] of groups) yield { topic, group, subscription };
  }

  /** Messages that became readable so far. */
  get stored(): number {
    return this.#stored;
  }

  #append(topic: Topic, message: StoredMessage): void {
    const number = topic.log.append(message);
    this.#stored += 1;
    this.#ports.journal.append({ kind: 'store', topic: topic.name, number, message });
    for (const subscription of this.#subscriptions.get(topic.name)?.values() ?? []) this.polls.serve(subscription);
  }

  /** Keeps what some group has yet to read, and a tail for groups that come later. What is in hand is kept by its holder. */
  #letGo(topicName: string): void {
    const { log } = this.topics.require(topicName);
    const { retainedMessages } = this.#ports.settings;
    if (log.size <= retainedMessages) return;
    let read = log.next;
    for (const { position } of this.#subscriptions.get(topicName)?.values() ?? []) read = Math.min(read, position);
    log.trim(Math.min(read, log.next - retainedMessages));
  }
}
