import { Migration } from '@mikro-orm/migrations';

/** Parked half messages that were sent again. */
export class Migration20260101001000ParkedHalfRescue extends Migration {
  override up(): void {
    this.addSql(`create table if not exists parked_half_rescue (
      message_id varchar(255) character set utf8mb4 collate utf8mb4_bin not null primary key,
      topic varchar(255) not null,
      transaction_id varchar(64) null,
      rescued_by varchar(500) not null,
      rescued_at datetime(3) not null,
      key parked_half_rescue_age (rescued_at)
    ) engine = InnoDB default character set utf8mb4`);
  }

  override down(): void {
    this.addSql('drop table if exists parked_half_rescue');
  }
}
