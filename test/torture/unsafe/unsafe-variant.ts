import type { MikroORM } from '@mikro-orm/mysql';
import type { RowExistsLookup, TransactionDatabase, TransactionalBroker } from '../../../src/index.ts';
import type { Invariant } from '../judge.ts';
import type { TortureOrder } from '../torture-listeners.ts';
import type { UnsafeCalling } from '../workers/compose-unsafe-worker.ts';
import type { Workload } from '../workload.ts';

/** A way to publish or to call that somebody might well write, put together from the real one in test code alone, and orders that find it out. */
export interface UnsafeVariant {
  /** What is wrong with it, in a few words. */
  readonly mistake: string;
  /** One of these is what breaks first. */
  readonly breaks: readonly [Invariant, ...Invariant[]];
  /** Orders for which the race is likely. The real protocol survives them: `--control NAME` shows it. */
  readonly workload: Partial<Workload>;
  readonly database?: (real: TransactionDatabase, orm: MikroORM) => TransactionDatabase;
  readonly broker?: (real: TransactionalBroker, owner: string) => TransactionalBroker;
  readonly rowLookup?: RowExistsLookup<TortureOrder>;
  /** What its workers get wrong; needs orders that are charged. */
  readonly worker?: UnsafeCalling;
  /** Something that goes on beside the orders; returns how to end it. */
  readonly beside?: (orm: MikroORM) => () => void;
  /** Processes of another service on the same topics. Default 0. */
  readonly bystanders?: number;
}
