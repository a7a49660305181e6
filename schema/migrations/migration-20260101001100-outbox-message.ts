import { Migration } from '@mikro-orm/migrations';

/** Messages of business transactions on their way to the broker, for MySQL 8.4 and later and MariaDB 11. */
export class Migration20260101001100OutboxMessage extends Migration {
  override up(): void {
    this.addSql(`
      create table if not exists outbox_message (
        id bigint unsigned not null auto_increment primary key,
        transaction_id varchar(36) character set ascii collate ascii_bin not null,
        seq smallint unsigned not null,
        lane varchar(32) character set ascii collate ascii_bin null,
        topic varchar(255) not null,
        tag varchar(255) not null,
        message_keys mediumtext not null,
        properties mediumtext not null,
        body mediumblob not null,
        state enum('WAITING', 'SENT', 'PARKED', 'DISCARDED') not null,
        due_at datetime(3) not null,
        attempts int unsigned not null default 0,
        lease_owner varchar(100) null,
        fence varchar(36) character set ascii collate ascii_bin null,
        last_error varchar(1000) null,
        decided_by varchar(500) null,
        created_at datetime(3) not null,
        updated_at datetime(3) not null,
        unique key outbox_message_transaction (transaction_id, seq),
        key outbox_message_due (state, due_at, id),
        key outbox_message_lane (lane, state, id)
      ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists outbox_message');
  }
}
