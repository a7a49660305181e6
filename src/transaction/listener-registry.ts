import { MESSAGE_PROPERTY, type OutgoingMessage } from '../broker/message.ts';
import { ConfigurationError } from '../errors.ts';
import type { AnyTransactionListener } from './transaction-listener.ts';

/** Finds the listener a half message belongs to, by topic and listener name. Immutable after construction. */
export class ListenerRegistry {
  readonly #byName = new Map<string, AnyTransactionListener>();

  /** Throws `ConfigurationError` when there is none, or two share a name. */
  constructor(listeners: readonly AnyTransactionListener[]) {
    if (listeners.length === 0) throw new ConfigurationError('listeners: at least one transaction listener is needed');
    for (const listener of listeners) {
      const other = this.#byName.get(listener.name);
      if (other !== undefined) {
        throw new ConfigurationError(
          `listeners: two are named "${listener.name}" (topics "${other.messages[0]!.topic}" and "${listener.messages[0]!.topic}"); give one of them a name of its own`,
        );
      }
      this.#byName.set(listener.name, listener);
    }
  }

  get topics(): string[] {
    return [...new Set([...this.#byName.values()].flatMap(({ messages }) => messages.map(({ topic }) => topic)))];
  }

  has(listener: AnyTransactionListener): boolean {
    return this.#byName.get(listener.name) === listener;
  }

  [Symbol.iterator](): Iterator<AnyTransactionListener> {
    return this.#byName.values();
  }

  /** The listener of a checked half message, or `undefined` when it is not one of ours: then the answer is UNKNOWN, never ROLLBACK. */
  find(half: OutgoingMessage): AnyTransactionListener | undefined {
    const listener = this.#byName.get(half.properties[MESSAGE_PROPERTY.listener] ?? '');
    return listener?.messages.some(({ topic }) => topic === half.topic) ? listener : undefined;
  }
}
