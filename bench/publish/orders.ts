import { randomUUID } from 'node:crypto';
import { Migration20260101000000Orders, OrderEntity } from '../../schema/index.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { openOrm } from '../../src/store/open-orm.ts';

/** The order every variant takes. */
export interface BenchOrder {
  readonly orderId: string;
  readonly customerId: string;
  readonly amountMinor: number;
  readonly currency: string;
}

export const nextOrder = (): BenchOrder => ({ orderId: randomUUID(), customerId: 'customer-17', amountMinor: 12_50, currency: 'EUR' });

/** The tables of the business and the engine. */
export const openOrderTables = (url: string, poolSize: number) =>
  openOrm({
    url,
    poolSize,
    entities: [...ENGINE_ENTITIES, OrderEntity],
    migrations: [...ENGINE_MIGRATIONS, Migration20260101000000Orders] as never[],
  });

/** The insert of the worked example's row, as the ORM writes it. */
export const INSERT_ORDER =
  'insert into `orders` (`id`, `transaction_id`, `customer_id`, `amount_minor`, `currency`, `status`, `created_at`) values (?, ?, ?, ?, ?, ?, ?)';
