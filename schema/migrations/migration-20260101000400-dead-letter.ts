import { Migration } from '@mikro-orm/migrations';

/**
 * Dead letters and their history, for MySQL 8.4 and later and MariaDB 11. Names and keys compare byte by byte. The
 * history has no foreign key on purpose: it outlives the letters it speaks of. MySQL commits each statement by itself, so
 * both may be run again.
 */
export class Migration20260101000400DeadLetter extends Migration {
  override up(): void {
    this.addSql(`
      create table if not exists dead_letter (
        id bigint unsigned not null auto_increment primary key,
        topic varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
        consumer_group varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
        identity char(64) character set ascii collate ascii_bin not null,
        listener varchar(100) character set utf8mb4 collate utf8mb4_bin null,
        message_id varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
        tag text not null,
        message_keys mediumtext not null,
        properties mediumtext not null,
        body longblob not null,
        body_sha256 binary(32) not null,
        born_at datetime(3) null,
        reason enum('POISON', 'RETRIES_EXHAUSTED', 'BROKER_LIMIT') not null,
        reason_text varchar(1000) not null,
        error_chain text not null,
        delivery_attempts int unsigned not null,
        deaths int unsigned not null default 1,
        first_failed_at datetime(3) not null,
        last_failed_at datetime(3) not null,
        call_name varchar(100) character set utf8mb4 collate utf8mb4_bin null,
        idempotency_key varchar(128) character set utf8mb4 collate utf8mb4_bin null,
        state enum('OPEN', 'REPLAYING', 'REPLAYED', 'DISCARDED', 'RESOLVED') not null default 'OPEN',
        replays int unsigned not null default 0,
        lease_owner varchar(36) null,
        lease_until datetime(3) null,
        decided_by varchar(128) null,
        decided_at datetime(3) null,
        decision_reason varchar(1000) null,
        unique key dead_letter_message (topic, consumer_group, identity),
        key dead_letter_state (state, id),
        key dead_letter_call (call_name, idempotency_key)
      ) engine = InnoDB default character set utf8mb4`);
    this.addSql(`
      create table if not exists dead_letter_action (
        id bigint unsigned not null auto_increment primary key,
        dead_letter_id bigint unsigned not null,
        action varchar(32) not null,
        actor varchar(128) not null,
        at datetime(3) not null,
        why varchar(1000) null,
        key dead_letter_action_letter (dead_letter_id, id)
      ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists dead_letter_action');
    this.addSql('drop table if exists dead_letter');
  }
}
