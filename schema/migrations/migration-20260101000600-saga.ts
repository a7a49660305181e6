import { Migration } from '@mikro-orm/migrations';

/**
 * Sagas, their steps and what people decided about them, for MySQL 8.4 and later and MariaDB 11. Names and ids compare
 * byte by byte. MySQL commits each statement by itself, so all of them may be run again.
 */
export class Migration20260101000600Saga extends Migration {
  override up(): void {
    this.addSql(`
      create table if not exists saga_instance (
        id varchar(64) character set utf8mb4 collate utf8mb4_bin not null primary key,
        saga varchar(64) character set utf8mb4 collate utf8mb4_bin not null,
        version smallint unsigned not null,
        fingerprint varchar(16) character set utf8mb4 collate utf8mb4_bin not null,
        input mediumtext character set utf8mb4 collate utf8mb4_bin not null,
        correlation_id varchar(128) not null,
        status enum('RUNNING', 'COMPENSATING', 'PARKED', 'COMPLETED', 'COMPENSATED', 'ABANDONED') not null default 'RUNNING',
        step smallint unsigned not null default 0,
        direction enum('action', 'compensation') not null default 'action',
        revision int unsigned not null default 0,
        lease_owner varchar(36) null,
        next_run_at datetime(3) null,
        error varchar(1000) null,
        created_at datetime(3) not null,
        updated_at datetime(3) not null,
        ended_at datetime(3) null,
        key saga_instance_due (next_run_at),
        key saga_instance_status (status, updated_at)
      ) engine = InnoDB default character set utf8mb4`);
    this.addSql(`
      create table if not exists saga_step (
        saga_id varchar(64) character set utf8mb4 collate utf8mb4_bin not null,
        step smallint unsigned not null,
        direction enum('action', 'compensation') not null,
        name varchar(24) character set utf8mb4 collate utf8mb4_bin not null,
        status enum('RUNNING', 'WAITING', 'UNKNOWN', 'DONE', 'FAILED') not null,
        attempts int unsigned not null default 0,
        failures int unsigned not null default 0,
        round smallint unsigned not null default 1,
        asked int unsigned not null default 0,
        unknown_since datetime(3) null,
        result mediumtext null,
        error varchar(1000) null,
        started_at datetime(3) not null,
        updated_at datetime(3) not null,
        primary key (saga_id, step, direction)
      ) engine = InnoDB default character set utf8mb4`);
    this.addSql(`
      create table if not exists saga_decision (
        id bigint unsigned not null auto_increment primary key,
        saga_id varchar(64) character set utf8mb4 collate utf8mb4_bin not null,
        kind enum('retry', 'resume', 'abandon') not null,
        decided_by varchar(100) not null,
        why varchar(1000) not null,
        step smallint unsigned not null,
        direction enum('action', 'compensation') not null,
        decided_at datetime(3) not null,
        key saga_decision_saga (saga_id, id)
      ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists saga_decision');
    this.addSql('drop table if exists saga_step');
    this.addSql('drop table if exists saga_instance');
  }
}
