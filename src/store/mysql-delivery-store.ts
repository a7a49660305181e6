import type { MikroORM } from '@mikro-orm/mysql';
import { ConfigurationError } from '../errors.ts';
import type { DeliveryStanding, DeliveryStore, RowPage, TakenPage } from '../reconciliation/delivery-store.ts';
import type { AnyMessageSource } from '../reconciliation/message-source.ts';
import type { HeldRun, RunItem } from '../reconciliation/run-store.ts';
import { retryTransient } from './external-call-database-error.ts';
import { statementsOn, type Transaction } from './statements.ts';
import { utcDate } from './utc-date.ts';

const NOW = 'utc_timestamp(3)';

/** The store on MySQL 8.4 and later or MariaDB 11. Entities of sources must be among the ORM's. */
export const mysqlDeliveryStore = (orm: MikroORM): DeliveryStore => new MysqlDeliveryStore(orm);

interface AgeOptions {
  readonly startedAt: Date;
  readonly since: Date | undefined;
}

class MysqlDeliveryStore implements DeliveryStore {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  async page(
    source: AnyMessageSource,
    options: AgeOptions & { readonly cursor: string | undefined; readonly limit: number },
  ): Promise<RowPage> {
    const { cursor, limit } = options;
    const key = this.#keyOf(source);
    const where = { $and: [...conditions(source, options), ...(cursor === undefined ? [] : [{ [key]: { $gt: readCursor(cursor) } }])] };
    const rows: readonly object[] = await this.#em().find(source.entity as never, where, {
      orderBy: { [key]: 'asc' } as never,
      limit,
      disableIdentityMap: true,
      connectionType: 'write',
    });
    return { rows, next: rows.length < limit ? undefined : writeCursor(source, (rows.at(-1) as Record<string, unknown>)[key]) };
  }

  count(source: AnyMessageSource, options: AgeOptions): Promise<number> {
    return this.#em().count(source.entity as never, { $and: conditions(source, options) }, { connectionType: 'write' });
  }

  async standings(
    source: AnyMessageSource,
    keys: readonly string[],
    runId: number | undefined,
  ): Promise<ReadonlyMap<string, DeliveryStanding>> {
    const found = new Map<string, DeliveryStanding>();
    const { name: callName } = source.listener.call;
    const look = async (standing: DeliveryStanding, sql: string, binds: readonly (string | number)[] = []): Promise<void> => {
      const rest = keys.filter((key) => !found.has(key));
      if (rest.length === 0) return;
      const rows = await this.#statements.rows(`${sql} and idempotency_key in (${rest.map(() => '?').join(', ')})`, [
        callName,
        ...binds,
        ...rest,
      ]);
      for (const row of rows) found.set(row['idempotency_key'] as string, standing);
    };
    await look('CALL', 'select idempotency_key from external_call where call_name = ?');
    await look('DEAD_LETTER', 'select idempotency_key from dead_letter where call_name = ?');
    await look(
      'RECENT',
      `select idempotency_key from reconciliation_item i join reconciliation_run r on r.id = i.run_id
       where call_name = ? and i.verdict = 'REPUBLISHED' and r.id <> ? and r.name = ? and i.updated_at > ${NOW} - interval ? microsecond`,
      [runId ?? 0, source.name, (source.delivery?.republishAfterMs ?? 0) * 1000],
    );
    return found;
  }

  async take(run: HeldRun, source: AnyMessageSource, { looked, missing, next }: TakenPage): Promise<void> {
    const connection = this.#orm.em.getConnection('write');
    const work = async (tx: Transaction): Promise<void> => {
      if (missing.length > 0) {
        await tx.run(
          `insert ignore into reconciliation_item (run_id, call_name, idempotency_key, verdict, why, updated_at)
           values ${missing.map(() => `(?, ?, ?, ?, ?, ${NOW})`).join(', ')}`,
          missing.flatMap(({ idempotencyKey, verdict, why }) => [
            run.id,
            source.listener.call.name,
            idempotencyKey,
            verdict ?? null,
            why?.slice(0, 500) ?? null,
          ]),
        );
      }
      await tx.run(`update reconciliation_run set position = ?, looked = looked + ?, updated_at = ${NOW} where id = ?`, [
        next ?? null,
        looked,
        run.id,
      ]);
    };
    await retryTransient(() => connection.transactional((context) => work(statementsOn(connection, context))));
  }

  async now(): Promise<Date> {
    const [row] = await this.#statements.rows(`select ${NOW} as now`, []);
    return utcDate(row!['now']);
  }

  async rowOf(source: AnyMessageSource, { idempotencyKey }: RunItem): Promise<object | null | undefined> {
    return (await source.rowOf(this.#em(), { idempotencyKey, correlationId: undefined })) as object | null | undefined;
  }

  #em(): MikroORM['em'] {
    return this.#orm.em.fork({ clear: true, useContext: false });
  }

  #keyOf(source: AnyMessageSource): string {
    const { primaryKeys, className } = this.#orm.getMetadata().get(source.entity as never);
    const [key, ...others] = primaryKeys;
    if (key === undefined || others.length > 0)
      throw new ConfigurationError(
        `message source "${source.name}": ${className} must have a primary key of one column to be gone through`,
      );
    return key;
  }

  get #statements(): Transaction {
    return statementsOn(this.#orm.em.getConnection('write'));
  }
}

const conditions = ({ delivery, name }: AnyMessageSource, { startedAt, since }: AgeOptions): object[] => {
  if (delivery === undefined) throw new ConfigurationError(`message source "${name}" has no rule for deliveries`);
  const age = { $lte: new Date(startedAt.getTime() - delivery.olderThanMs), ...(since && { $gte: since }) };
  return [delivery.where, { [delivery.writtenAt]: age }];
};

/** Keeps what JSON does not. */
const writeCursor = (source: AnyMessageSource, key: unknown): string => {
  if (typeof key === 'bigint') return JSON.stringify({ bigint: String(key) });
  if (typeof key === 'string' || typeof key === 'number') return JSON.stringify({ value: key });
  throw new ConfigurationError(`message source "${source.name}": a primary key must be a text or a number to be gone through`);
};

const readCursor = (cursor: string): unknown => {
  const { value, bigint } = JSON.parse(cursor) as { value?: string | number; bigint?: string };
  return bigint === undefined ? value : BigInt(bigint);
};
