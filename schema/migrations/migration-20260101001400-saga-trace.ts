import { Migration } from '@mikro-orm/migrations';

/** Sagas know the trace they were started in. May be run again: MySQL has no "if not exists" for columns. */
export class Migration20260101001400SagaTrace extends Migration {
  override async up(): Promise<void> {
    const [column] = (await this.execute(
      `select 1 from information_schema.columns
       where table_schema = database() and table_name = 'saga_instance' and column_name = 'traceparent'`,
    )) as object[];
    if (column === undefined) this.addSql('alter table saga_instance add column traceparent varchar(55) null after correlation_id');
  }

  override down(): void {
    this.addSql('alter table saga_instance drop column traceparent');
  }
}
