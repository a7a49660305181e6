import { ConfigurationError } from '../errors.ts';
import type { TransactionDatabase } from './transaction-database.ts';
import type { AnyTransactionListener } from './transaction-listener.ts';

/** The publisher's databases by name. A publisher with one has no names at all. */
export class TransactionDatabases {
  readonly #only: TransactionDatabase | undefined;
  readonly #byName: ReadonlyMap<string, TransactionDatabase>;

  constructor(option: TransactionDatabase | Readonly<Record<string, TransactionDatabase>>, listeners: Iterable<AnyTransactionListener>) {
    this.#only = isDatabase(option) ? option : undefined;
    this.#byName = new Map(isDatabase(option) ? [] : Object.entries(option));
    if (this.#only === undefined && this.#byName.size === 0) throw new ConfigurationError('publisher: option "database" names no database');
    for (const name of this.#byName.keys()) {
      if (!/^[\x21-\x7e]{1,64}$/.test(name))
        throw new ConfigurationError(
          `publisher: database name ${JSON.stringify(name)} must be 1 to 64 printable ASCII characters without spaces`,
        );
    }
    for (const listener of listeners) {
      if (this.#only === undefined && listener.database === undefined) {
        throw new ConfigurationError(
          `listener "${listener.name}": there are several databases (${[...this.#byName.keys()].join(', ')}), so it must say which takes an input: database: (input) => name`,
        );
      }
      if (this.#only !== undefined && listener.database !== undefined) {
        throw new ConfigurationError(`listener "${listener.name}": it names a database, but the publisher was given one without names`);
      }
    }
  }

  /** For an input: throws `ConfigurationError` for a name nobody gave. */
  choose(listener: AnyTransactionListener, input: unknown): { name: string | undefined; database: TransactionDatabase } {
    if (this.#only !== undefined) return { name: undefined, database: this.#only };
    const name = listener.database!(input) as unknown;
    const database = typeof name === 'string' ? this.#byName.get(name) : undefined;
    if (database === undefined)
      throw new ConfigurationError(
        `listener "${listener.name}": there is no database ${JSON.stringify(name) ?? String(name)}; known are ${[...this.#byName.keys()].join(', ')}`,
      );
    return { name: name as string, database };
  }

  /** For a check-back: the one the half message names, or `undefined`, which means UNKNOWN. */
  find(name: string | undefined): TransactionDatabase | undefined {
    return name === undefined ? this.#only : this.#byName.get(name);
  }

  [Symbol.iterator](): Iterator<TransactionDatabase> {
    return this.#only === undefined ? this.#byName.values() : [this.#only].values();
  }
}

function isDatabase(option: TransactionDatabase | Readonly<Record<string, TransactionDatabase>>): option is TransactionDatabase {
  return typeof (option as Partial<TransactionDatabase>).withFencedSession === 'function';
}
