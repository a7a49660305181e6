import { Migration } from '@mikro-orm/migrations';

/** How far the database's log has been read, for change data capture. */
export class Migration20260101001300BinlogPosition extends Migration {
  override up(): void {
    this.addSql(`create table if not exists binlog_position (
      name varchar(100) character set ascii collate ascii_bin not null primary key,
      server varchar(64) not null,
      file varchar(255) not null,
      position bigint unsigned not null,
      gtid_set mediumtext null,
      fence bigint unsigned not null default 0,
      reader varchar(100) null,
      updated_at datetime(3) not null
    ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists binlog_position');
  }
}
