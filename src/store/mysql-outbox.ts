import type { MikroORM } from '@mikro-orm/mysql';
import type { OutgoingMessage } from '../broker/message.ts';
import { ConfigurationError } from '../errors.ts';
import { CommitBell, type CommitSignal } from '../outbox/commit-signal.ts';
import { messageOf } from '../shared/error-message.ts';
import { rowExists } from '../transaction/lookup.ts';
import type { SqlTransaction } from '../transaction/sql-transaction.ts';
import type { TransactionalOutbox } from '../transaction/transactional-outbox.ts';
import { OutboxMessageEntity } from '../../schema/outbox-message.entity.ts';
import { insertMessages } from './mysql-outbox-rows.ts';
import { statementsOn } from './statements.ts';

/**
 * Messages as rows of the table `outbox_message`, in the database of each business transaction: give it the ORMs of all
 * the publisher's databases, whose entities include the engine's. A relay of each database sends them.
 */
export const mysqlOutbox = (orm: MikroORM | readonly MikroORM[]): TransactionalOutbox & CommitSignal =>
  new MysqlOutbox('em' in orm ? [orm] : orm);

class MysqlOutbox implements TransactionalOutbox, CommitSignal {
  readonly lookup = rowExists(OutboxMessageEntity, ({ transactionId }) => ({ transactionId, seq: 0 }));
  readonly #orms: readonly MikroORM[];
  readonly #bell = new CommitBell();

  constructor(orms: readonly MikroORM[]) {
    this.#orms = orms;
  }

  async start(): Promise<void> {
    for (const orm of this.#orms) {
      await statementsOn(orm.em.getConnection())
        .rows('select id from outbox_message limit 1', [])
        .catch((error: unknown) => {
          throw new ConfigurationError(`the outbox needs the table outbox_message; run "checkback migrate up": ${messageOf(error)}`, {
            cause: error,
          });
        });
    }
  }

  async write(transaction: SqlTransaction, messages: readonly OutgoingMessage[]): Promise<void> {
    await insertMessages(transaction, messages);
  }

  committed(): void {
    this.#bell.ring();
  }

  onCommitted(listener: () => void): () => void {
    return this.#bell.onCommitted(listener);
  }
}
