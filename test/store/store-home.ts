import type { MikroORM } from '@mikro-orm/mysql';

/** A database with the engine's tables for the tests of one store. */
export interface StoreHome {
  readonly name: 'MySQL' | 'SQLite';
  readonly url: string;
  readonly orm: MikroORM;
  /** Type of a key column the database numbers. */
  readonly numbered: string;
  /** Opens it once more, as another process would. */
  another(): Promise<MikroORM>;
  /** How a moment is stored. */
  stored(at: Date): string | number;
  /** Closes every instance and drops the database. */
  close(): Promise<void>;
}

export type OpenHome = () => Promise<StoreHome>;
