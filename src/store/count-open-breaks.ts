import type { MikroORM } from '@mikro-orm/mysql';

/** Breaks of statements nobody has decided about, by kind. Counted by index; what is decided is not read. */
export async function countOpenBreaks(orm: MikroORM): Promise<readonly { readonly kind: string; readonly count: number }[]> {
  const rows = await orm.em
    .getConnection('read')
    .execute<{ kind: string; count: number | string }[]>(
      `select kind, count(*) as count from reconciliation_break where state = 'OPEN' group by kind order by kind`,
    );
  return rows.map(({ kind, count }) => ({ kind, count: Number(count) }));
}
