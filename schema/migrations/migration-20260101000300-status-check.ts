import { Migration } from '@mikro-orm/migrations';

/** Calls of unknown outcome and when they are asked after, for MySQL 8.4 and later and MariaDB 11. Keys compare byte by byte, as those of external_call. */
export class Migration20260101000300StatusCheck extends Migration {
  override up(): void {
    this.addSql(`
      create table if not exists status_check (
        id bigint unsigned not null auto_increment primary key,
        call_name varchar(100) character set utf8mb4 collate utf8mb4_bin not null,
        idempotency_key varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
        listener varchar(100) character set utf8mb4 collate utf8mb4_bin not null,
        correlation_id varchar(128) not null,
        topic varchar(255) not null,
        tag varchar(255) not null,
        message_keys mediumtext not null,
        properties mediumtext not null,
        body mediumblob not null,
        message_id varchar(255) not null,
        delivery_attempt int unsigned not null,
        born_at datetime(3) null,
        state enum('DUE', 'RETRY', 'REVIEW', 'DONE') not null,
        unknown_since datetime(3) not null,
        checks int unsigned not null default 0,
        claims int unsigned not null default 0,
        next_check_at datetime(3) not null,
        lease_owner varchar(36) null,
        lease_until datetime(3) null,
        last_said enum('SUCCESS', 'FAIL', 'ABSENT', 'NONE') null,
        last_error_code varchar(40) null,
        outcome enum('SUCCESS', 'FAIL') null,
        decided_by varchar(500) null,
        decision_reason varchar(500) null,
        done_at datetime(3) null,
        created_at datetime(3) not null,
        updated_at datetime(3) not null,
        unique key status_check_key (call_name, idempotency_key),
        key status_check_due (state, next_check_at, id),
        key status_check_age (state, unknown_since)
      ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists status_check');
  }
}
