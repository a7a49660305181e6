import type { StoredMessage } from './stored-message.ts';
import type { Topic, Topics } from './topics.ts';

/** Name of the topic a group's dead letters are in. It exists from the first dead letter on. */
export function deadLetterTopic(group: string): string {
  return `%DLQ%${group}`;
}

/** The topic of a group's dead letters, made if need be: one queue, as a broker makes it. */
export function requireDeadLetterTopic(topics: Topics, group: string): { topic: Topic; isNew: boolean } {
  const name = deadLetterTopic(group);
  const existing = topics.find(name);
  return existing === undefined ? { topic: topics.create(name, 'NORMAL', 1), isNew: true } : { topic: existing, isNew: false };
}

/** The message as its dead letter: same id, keys, tag and properties. Where it came from is not in it. */
export function deadLetterOf(message: StoredMessage): StoredMessage {
  return { ...message, kind: 'NORMAL', deliverAt: undefined, messageGroup: undefined };
}
