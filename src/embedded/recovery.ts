import type { JournalRecord } from './journal-record.ts';
import type { MessageBroker } from './message-broker.ts';
import type { Half } from './half-messages.ts';
import { MessageLog } from './message-log.ts';
import type { StoredMessage } from './stored-message.ts';

interface ReadTopic {
  readonly position: number;
  readonly handed: Map<number, { attempt: number; message?: StoredMessage | undefined }>;
  readonly done: Set<number>;
}

/**
 * Brings an empty broker to where its records end. What was in hand comes again as another attempt; delayed messages and
 * check-backs go on by the clock; nobody is online and nothing is remembered for an END.
 */
export function recover(broker: MessageBroker, records: readonly JournalRecord[]): void {
  const halves = new Map<number, Half>();
  const subscriptions = new Map<string, Map<string, ReadTopic>>();
  const read = (topic: string, group: string): ReadTopic | undefined => subscriptions.get(topic)?.get(group);
  for (const record of records) {
    switch (record.kind) {
      case 'topic': {
        const topic = broker.topics.create(record.name, record.type, record.queues);
        if (topic.log.next === 0) topic.log = new MessageLog(record.first);
        break;
      }
      case 'group': {
        const { name, retryMaxTimes, isFifo } = record;
        broker.groups.create({ name, retryMaxTimes, isFifo });
        break;
      }
      case 'store':
        broker.topics.find(record.topic)?.log.append(record.message);
        break;
      case 'half': {
        const { kind: _, ...half } = record;
        halves.set(half.offset, half);
        break;
      }
      case 'ops':
        for (const offset of record.offsets) halves.delete(offset);
        break;
      case 'copy': {
        const half = halves.get(record.from);
        halves.delete(record.from);
        const { to: offset, round, storedAt, originalOffset } = record;
        if (half !== undefined) halves.set(offset, { ...half, offset, round, storedAt, originalOffset });
        break;
      }
      case 'park': {
        const half = halves.get(record.offset);
        halves.delete(record.offset);
        if (half !== undefined) broker.transactions.restoreParked({ message: half.message, rounds: half.round, parkedAt: record.at });
        break;
      }
      case 'delay':
        broker.delayed.add(record.message, record.id);
        break;
      case 'due':
        broker.delayed.forget(record.id);
        break;
      case 'join': {
        const groups = subscriptions.get(record.topic) ?? new Map<string, ReadTopic>();
        groups.set(record.group, { position: record.position, handed: new Map(), done: new Set() });
        subscriptions.set(record.topic, groups);
        break;
      }
      case 'handed': {
        const handed = read(record.topic, record.group)?.handed;
        handed?.set(record.number, { ...handed.get(record.number), attempt: record.attempt });
        break;
      }
      case 'held':
        read(record.topic, record.group)?.handed.set(record.number, { attempt: record.attempt, message: record.message });
        break;
      case 'done': {
        const topic = read(record.topic, record.group);
        topic?.handed.delete(record.number);
        topic?.done.add(record.number);
        break;
      }
    }
  }
  for (const half of halves.values()) broker.transactions.restore(half);
  for (const [topic, groups] of subscriptions) for (const [group, state] of groups) rejoin(broker, topic, group, state);
}

function rejoin(broker: MessageBroker, topicName: string, group: string, { position, handed, done }: ReadTopic): void {
  const topic = broker.topics.find(topicName);
  if (topic === undefined) return;
  let next = position;
  for (const number of [...handed.keys(), ...done]) next = Math.max(next, number + 1);
  const subscription = broker.join(topic, group, next);
  // Passed over, to wait for an earlier message of their message group.
  for (let number = position; number < next; number += 1) if (!handed.has(number) && !done.has(number)) handed.set(number, { attempt: 0 });
  for (const [number, { attempt, message = topic.log.get(number) }] of [...handed].sort(([left], [right]) => left - right))
    if (message !== undefined) subscription.restore({ number, message, attempt: attempt + 1 });
}

/** The shortest list of records that leads to where the broker is. */
export function* snapshot(broker: MessageBroker): Generator<JournalRecord> {
  for (const { name, type, queues, log } of broker.topics.all()) {
    yield { kind: 'topic', name, type, queues, first: log.first };
    for (const [number, message] of log) yield { kind: 'store', topic: name, number, message };
  }
  for (const group of broker.groups.all()) yield { kind: 'group', ...group };
  for (const { id, message } of broker.delayed.all()) yield { kind: 'delay', id, message };
  const { halves, parked } = broker.transactions;
  for (const { message, rounds, parkedAt } of parked) {
    yield { kind: 'half', offset: -1, round: rounds, storedAt: parkedAt, message };
    yield { kind: 'park', offset: -1, at: parkedAt };
  }
  for (const half of halves.all()) yield { kind: 'half', ...half };
  for (const { topic, group, subscription } of broker.subscriptions()) {
    yield { kind: 'join', group, topic, position: subscription.position };
    for (const { number, message, attempt } of subscription.unfinished()) yield { kind: 'held', group, topic, number, message, attempt };
  }
}
