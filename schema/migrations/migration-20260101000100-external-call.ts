import { Migration } from '@mikro-orm/migrations';

/**
 * The call row and its evidence, for MySQL 8.4 and later and MariaDB 11. Keys compare byte by byte. The evidence has no
 * foreign key on purpose: it outlives the rows it speaks of, and tables meant to be purged by partition cannot have one.
 * MySQL commits each statement by itself, so all of them may be run again.
 */
export class Migration20260101000100ExternalCall extends Migration {
  override up(): void {
    this.addSql(`
      create table if not exists external_call (
        id bigint unsigned not null auto_increment primary key,
        call_name varchar(100) character set utf8mb4 collate utf8mb4_bin not null,
        idempotency_key varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
        correlation_id varchar(128) not null,
        status enum('PENDING', 'SUCCESS', 'FAIL', 'UNKNOWN') not null default 'PENDING',
        attempts int unsigned not null default 0,
        lease_owner varchar(36) null,
        lease_until datetime(3) null,
        not_before datetime(3) null,
        http_status smallint unsigned null,
        last_error_code varchar(40) null,
        created_at datetime(3) not null,
        updated_at datetime(3) not null,
        unique key external_call_key (call_name, idempotency_key),
        key external_call_status (status, lease_until, id)
      ) engine = InnoDB default character set utf8mb4`);
    this.addSql(`
      create table if not exists external_call_attempt (
        id bigint unsigned not null auto_increment primary key,
        call_id bigint unsigned not null,
        attempt int unsigned not null,
        correlation_id varchar(128) not null,
        origin varchar(100) not null,
        method varchar(8) not null,
        path varchar(2048) not null,
        headers mediumtext not null,
        body_state enum('RAW', 'MASKED', 'WITHHELD') null,
        body mediumblob null,
        body_bytes int unsigned null,
        body_sha256 binary(32) null,
        opened_at datetime(3) not null,
        unique key external_call_attempt_number (call_id, attempt)
      ) engine = InnoDB default character set utf8mb4`);
    this.addSql(`
      create table if not exists external_call_response (
        id bigint unsigned not null auto_increment primary key,
        call_id bigint unsigned not null,
        attempt int unsigned not null,
        status enum('PENDING', 'SUCCESS', 'FAIL', 'UNKNOWN') not null,
        http_status smallint unsigned null,
        headers mediumtext null,
        body_state enum('RAW', 'MASKED', 'WITHHELD') null,
        body mediumblob null,
        body_bytes int unsigned null,
        body_sha256 binary(32) null,
        is_truncated boolean not null default false,
        failed_phase enum('connect', 'write', 'read') null,
        connect_ms double not null,
        write_ms double null,
        headers_ms double null,
        body_ms double null,
        total_ms double not null,
        remote_address varchar(45) null,
        error_code varchar(40) null,
        error_chain text null,
        closed_at datetime(3) not null,
        unique key external_call_response_number (call_id, attempt)
      ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists external_call_response');
    this.addSql('drop table if exists external_call_attempt');
    this.addSql('drop table if exists external_call');
  }
}
