import { defineEntity, p } from '@mikro-orm/core';
import { Migration } from '@mikro-orm/migrations';

/** What an order's local transaction inserts, whatever its strategy: the judge's truth about who committed. */
export const TortureOrderEntity = defineEntity({
  name: 'TortureOrder',
  tableName: 'torture_order',
  properties: {
    id: p.string().length(64).primary(),
    attemptId: p.string().length(80),
    transactionId: p.string().length(36).unique(),
    messages: p.integer(),
    amount: p.integer(),
    isCharged: p.boolean(),
    /** Counted by the worker's `onSuccess` and `onFail`. */
    paid: p.integer().default(0),
    refused: p.integer().default(0),
    currency: p.string().length(3).default('EUR'),
    createdAt: p.datetime(3).onCreate(() => new Date()),
  },
});

/** Rows that all orders with a marker update, so that they meet each other there. */
export const STOCK_ROWS = 64;

export class Migration20260101009000Torture extends Migration {
  override up(): void {
    this.addSql(`create table if not exists torture_order (
      id varchar(64) not null primary key,
      attempt_id varchar(80) not null,
      transaction_id varchar(36) not null,
      messages int not null,
      amount int not null,
      is_charged boolean not null,
      paid int not null default 0,
      refused int not null default 0,
      currency varchar(3) not null default 'EUR',
      created_at datetime(3) not null default (utc_timestamp(3)),
      unique key torture_order_transaction (transaction_id),
      key torture_order_created_at (created_at)
    ) engine = InnoDB`);
    this.addSql('create table if not exists torture_stock (id int not null primary key, sold int not null) engine = InnoDB');
    const rows = Array.from({ length: STOCK_ROWS }, (_, id) => `(${id}, 0)`).join(', ');
    this.addSql(`insert ignore into torture_stock (id, sold) values ${rows}`);
    // The consumer's: which messages it has acted on, and how often it has acted for an order.
    this.addSql('create table if not exists torture_inbox (id varchar(80) not null primary key) engine = InnoDB');
    this.addSql(`create table if not exists torture_effect (
      order_id varchar(64) not null,
      tag varchar(20) not null,
      times int not null,
      primary key (order_id, tag)
    ) engine = InnoDB`);
  }

  override down(): void {
    for (const table of ['order', 'stock', 'inbox', 'effect']) this.addSql(`drop table torture_${table}`);
  }
}
