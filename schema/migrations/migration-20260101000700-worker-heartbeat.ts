import { Migration } from '@mikro-orm/migrations';

/** What `checkback status` knows of the workers of the pool. */
export class Migration20260101000700WorkerHeartbeat extends Migration {
  override up(): void {
    this.addSql(`
      create table if not exists worker_heartbeat (
        worker_id char(36) character set ascii collate ascii_bin not null primary key,
        owner varchar(64) not null,
        host varchar(255) not null,
        pid int unsigned not null,
        started_at datetime(3) not null,
        seen_at datetime(3) not null,
        report mediumtext not null,
        key worker_heartbeat_seen (seen_at)
      ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists worker_heartbeat');
  }
}
