import { Migration } from '@mikro-orm/migrations';

/** The worked example's table. The unique `transaction_id` is what a check-back looks up; reconciliation goes through a day by `created_at`. */
export class Migration20260101000000Orders extends Migration {
  override up(): void {
    this.addSql(`create table orders (
      id varchar(64) not null,
      transaction_id varchar(36) not null,
      customer_id varchar(64) not null,
      amount_minor bigint not null,
      currency varchar(3) not null,
      status enum('PLACED', 'PAID', 'REJECTED') not null default 'PLACED',
      created_at datetime(3) not null,
      primary key (id),
      unique key orders_transaction_id_unique (transaction_id),
      key orders_created_at (created_at)
    ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table orders');
  }
}
