import { Migration } from '@mikro-orm/migrations';

/** Reconciliation runs and what each found, for MySQL 8.4 and later and MariaDB 11. Keys compare byte by byte, as those of external_call. */
export class Migration20260101000800Reconciliation extends Migration {
  override up(): void {
    this.addSql(`
      create table if not exists reconciliation_run (
        id bigint unsigned not null auto_increment primary key,
        kind enum('open', 'delivery') not null,
        name varchar(100) character set utf8mb4 collate utf8mb4_bin not null,
        scope varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
        tick varchar(40) null,
        status enum('RUNNING', 'DONE', 'ABANDONED') not null,
        position text null,
        looked bigint unsigned not null default 0,
        totals text null,
        since_at datetime(3) null,
        started_at datetime(3) not null,
        finished_at datetime(3) null,
        updated_at datetime(3) not null,
        key reconciliation_run_unfinished (status, kind, name, id),
        key reconciliation_run_tick (kind, name, tick)
      ) engine = InnoDB default character set utf8mb4`);
    this.addSql(`
      create table if not exists reconciliation_item (
        id bigint unsigned not null auto_increment primary key,
        run_id bigint unsigned not null,
        call_name varchar(100) character set utf8mb4 collate utf8mb4_bin not null,
        idempotency_key varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
        open_since datetime(3) null,
        verdict varchar(24) character set ascii collate ascii_bin null,
        why varchar(500) null,
        updated_at datetime(3) not null,
        unique key reconciliation_item_once (run_id, call_name, idempotency_key),
        key reconciliation_item_verdict (run_id, verdict, id),
        key reconciliation_item_key (call_name, idempotency_key, verdict)
      ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists reconciliation_item');
    this.addSql('drop table if exists reconciliation_run');
  }
}
