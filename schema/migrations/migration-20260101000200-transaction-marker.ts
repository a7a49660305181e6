import { Migration } from '@mikro-orm/migrations';

/** Markers for transaction listeners that update rows instead of inserting one. As narrow as a row can be. */
export class Migration20260101000200TransactionMarker extends Migration {
  override up(): void {
    this.addSql(`create table transaction_marker (
      id char(36) character set ascii collate ascii_bin not null,
      state tinyint unsigned not null,
      primary key (id)
    ) engine = InnoDB`);
  }

  override down(): void {
    this.addSql('drop table transaction_marker');
  }
}
