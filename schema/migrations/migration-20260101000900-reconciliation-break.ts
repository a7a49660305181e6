import { Migration } from '@mikro-orm/migrations';

/**
 * Runs over institutions' statements and the differences they found, for MySQL 8.4 and later and MariaDB 11. References
 * compare byte by byte. The history of a break is only ever inserted. MySQL commits each statement by itself, so all of
 * them may be run again.
 */
export class Migration20260101000900ReconciliationBreak extends Migration {
  override up(): void {
    this.addSql(`
      create table if not exists statement_run (
        id bigint unsigned not null auto_increment primary key,
        statement varchar(100) character set utf8mb4 collate utf8mb4_bin not null,
        call_name varchar(100) character set utf8mb4 collate utf8mb4_bin not null,
        day varchar(10) not null,
        sha256 varchar(64) not null,
        source varchar(255) not null,
        since datetime(3) null,
        status enum('RUNNING', 'DONE') not null default 'RUNNING',
        pass int unsigned not null default 1,
        their_lines bigint unsigned not null,
        our_rows bigint unsigned not null,
        truncated_at bigint unsigned null,
        started_at datetime(3) not null,
        finished_at datetime(3) null,
        key statement_run_day (statement, day, status)
      ) engine = InnoDB default character set utf8mb4`);
    this.addSql(`
      create table if not exists reconciliation_break (
        id bigint unsigned not null auto_increment primary key,
        statement varchar(100) character set utf8mb4 collate utf8mb4_bin not null,
        call_name varchar(100) character set utf8mb4 collate utf8mb4_bin not null,
        day varchar(10) not null,
        reference varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
        kind enum('MISSING_THERE', 'MISSING_HERE', 'AMOUNT_DIFFERS', 'STATUS_DIFFERS', 'DUPLICATE_THERE') not null,
        occurrence int unsigned not null,
        their_line bigint unsigned null,
        their_amount_minor bigint null,
        their_currency varchar(3) null,
        their_status enum('SUCCESS', 'FAIL', 'PENDING') null,
        their_booked_at datetime(3) null,
        our_amount_minor bigint null,
        our_currency varchar(3) null,
        our_status enum('PENDING', 'SUCCESS', 'FAIL', 'UNKNOWN') null,
        state enum('OPEN', 'RESOLVED', 'ACCEPTED') not null default 'OPEN',
        is_late boolean not null default false,
        decided_through enum('policy', 'statement', 'person') null,
        decided_by varchar(128) null,
        decided_at datetime(3) null,
        decision_reason varchar(500) null,
        resolved_run bigint unsigned null,
        last_run bigint unsigned not null,
        last_pass int unsigned not null,
        found_at datetime(3) not null,
        unique key reconciliation_break_key (statement, day, reference, kind, occurrence),
        key reconciliation_break_reference (statement, reference),
        key reconciliation_break_state (state, id),
        key reconciliation_break_run (last_run, id),
        key reconciliation_break_resolved (resolved_run)
      ) engine = InnoDB default character set utf8mb4`);
    this.addSql(`
      create table if not exists reconciliation_break_action (
        id bigint unsigned not null auto_increment primary key,
        break_id bigint unsigned not null,
        action enum('FOUND', 'REOPENED', 'RESOLVED', 'ACCEPTED') not null,
        actor varchar(128) not null,
        at datetime(3) not null,
        why varchar(500) not null,
        key reconciliation_break_action_break (break_id, id)
      ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists reconciliation_break_action');
    this.addSql('drop table if exists reconciliation_break');
    this.addSql('drop table if exists statement_run');
  }
}
