import type { EntityManager } from '@mikro-orm/core';
import type { InTransaction } from '../gateway/external-call-store.ts';
import type { TransactionalPublisher, PublishOptions } from '../transaction/transactional-publisher.ts';
import type {
  HalfMode,
  MessageTemplate,
  TransactionContext,
  TransactionListener,
  TransactionListenerDefinition,
} from '../transaction/transaction-listener.ts';
import type { Lookup } from '../transaction/lookup.ts';

/** What a publication of a compensating event is given. */
export interface Compensation<Input> {
  readonly input: Input;
  /** Writes the failure that the event answers for. */
  readonly record: (em: EntityManager) => Promise<void>;
}

/** A compensating event: a message, and what else is written with the failure. */
export interface CompensationDefinition<Input> extends MessageTemplate<Input> {
  /** Unique in the publisher. Keep it when the code changes. */
  readonly name: string;
  /** Default `transactionMarker()`, since a failure updates rows; `rowExists(…)` where `execute` inserts one. */
  readonly lookup?: Lookup;
  /** Default `beforeCommit`: a failure that is on record already costs the broker nothing. */
  readonly half?: HalfMode;
  /** Runs after the failure is written, in the same transaction. Default: nothing more. */
  readonly execute?: (em: EntityManager, input: Input, context: TransactionContext) => Promise<void>;
}

/**
 * The transaction listener of a compensating event, for `defineTransactionListener`. Its local transaction is the one that
 * records the failure, so both happen or neither: no failure without its compensation, no compensation of a success.
 */
export function compensationListener<Input>(definition: CompensationDefinition<Input>): TransactionListenerDefinition<Compensation<Input>> {
  const { name, topic, tag, version, payload = (input: Input) => input, keys, half = 'beforeCommit', execute } = definition;
  return {
    name,
    topic,
    tag,
    ...(version !== undefined && { version }),
    payload: ({ input }, produced) => payload(input, produced),
    ...(keys && { keys: ({ input }: Compensation<Input>, produced: unknown) => keys(input, produced) }),
    lookup: definition.lookup ?? Object.freeze({ kind: 'transactionMarker' as const }),
    half,
    execute: async (em, { input, record }, context) => {
      await record(em);
      await execute?.(em, input, context);
      return 'COMMIT' as const;
    },
  };
}

/**
 * A transaction whose COMMIT publishes the compensating event. Hand it to what records the failure; what that writes and
 * the event are one decision, through every crash. Rejects as `publish()` does: `LocalTransactionError` (rolled back; its
 * cause is what the work threw), `HalfMessageError` or `DatabaseUnavailableError` (nothing happened),
 * `TransactionInDoubtError` (look before trying again: the work must find its own earlier success).
 */
export const compensateByPublishing =
  <Input>(
    publisher: Pick<TransactionalPublisher, 'publish'>,
    listener: TransactionListener<Compensation<Input>>,
    input: Input,
    options?: PublishOptions,
  ): InTransaction =>
  async (work) => {
    await publisher.publish(listener, { input, record: work }, options);
  };
