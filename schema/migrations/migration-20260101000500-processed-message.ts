import { Migration } from '@mikro-orm/migrations';

/** What listeners with `handle` have done. The key comes first, so that concurrent inserts spread over the index. */
export class Migration20260101000500ProcessedMessage extends Migration {
  override up(): void {
    this.addSql(`create table processed_message (
      listener varchar(100) character set ascii collate ascii_bin not null,
      idempotency_key varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
      processed_at datetime(3) not null,
      primary key (idempotency_key, listener),
      key processed_message_age (processed_at)
    ) engine = InnoDB`);
  }

  override down(): void {
    this.addSql('drop table processed_message');
  }
}
