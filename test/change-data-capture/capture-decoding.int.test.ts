import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import { describe, expect, it } from 'vitest';
import { defineRowMessage } from '../../src/change-data-capture/row-message.ts';
import { placeOrderOn } from '../support/publishing-listeners.ts';
import { aTransactionId, openCaptureShop } from './support/capture-shop.ts';

const PATIENCE = { timeout: 60_000, interval: 50 };

const AllTypesEntity = defineEntity({
  name: 'AllTypes',
  tableName: 'all_types',
  properties: {
    id: p.bigint('number').unsigned().primary().autoincrement(),
    transactionId: p.string().length(36),
    small: p.smallint().unsigned(),
    plain: p.integer(),
    flag: p.boolean(),
    large: p.bigint('bigint').unsigned(),
    negative: p.bigint('bigint'),
    amount: p.decimal().precision(20).scale(4),
    ratio: p.double(),
    name: p.string().length(191),
    fixed: p.string().length(3).columnType('char(3)'),
    words: p.text(),
    state: p.enum(['NEW', 'DONE'] as const),
    document: p.json(),
    day: p.date(),
    clock: p.time(),
    at: p.datetime(3),
    exactly: p.datetime(6),
    stamped: p.datetime(3).columnType('timestamp(3)'),
    digest: p.blob().columnType('varbinary(32)'),
    picture: p.blob(),
    nothing: p.string().nullable(),
    oneDay: p.datetime(0).nullable(),
  },
});
type AllTypes = InferEntity<typeof AllTypesEntity>;

const TABLE = `create table all_types (
  id bigint unsigned not null auto_increment primary key, transaction_id varchar(36) not null,
  small smallint unsigned not null, plain int not null, flag tinyint(1) not null, large bigint unsigned not null, negative bigint not null,
  amount decimal(20,4) not null, ratio double not null, name varchar(191) not null, fixed char(3) not null, words longtext not null,
  state enum('NEW', 'DONE') not null, document json not null, day date not null, clock time not null, at datetime(3) not null,
  exactly datetime(6) not null, stamped timestamp(3) not null, digest varbinary(32) not null, picture longblob not null,
  nothing varchar(255) null, one_day datetime null
) engine = InnoDB default character set utf8mb4`;

const edge = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  transactionId: aTransactionId(),
  small: 65_535,
  plain: -2_147_483_648,
  flag: true,
  large: 18_446_744_073_709_551_615n,
  negative: -9_223_372_036_854_775_808n,
  amount: '-1234567890123456.0001',
  ratio: -0.1,
  name: 'naïve 🦜 “quoted” \\ \n',
  fixed: 'EUR',
  words: 'ж'.repeat(70_000),
  state: 'DONE',
  document: { a: [1, 2.5, -3, null, true, 'ü'], big: 9_007_199_254_740_991, deep: { '': {} } },
  day: '2026-02-28',
  clock: '-101:02:03',
  at: new Date('2026-11-23T23:59:59.999Z'),
  exactly: new Date('2000-01-01T00:00:00.001Z'),
  stamped: new Date('2026-03-29T01:30:00.500Z'),
  digest: Buffer.from([0, 255, 128, 0]),
  picture: Buffer.alloc(300, 7),
  nothing: null,
  oneDay: new Date('2026-06-30T12:00:00.000Z'),
  ...changes,
});

describe('A row of the binlog', () => {
  it('is read as MikroORM reads it from the table, with every type', async () => {
    await using shop = await openCaptureShop('cdc_types', { entities: [AllTypesEntity] });
    await shop.sql(TABLE);
    const listener = placeOrderOn('orders');
    const seen: { after: AllTypes; before: AllTypes | undefined }[] = [];
    const rowMessage = defineRowMessage({
      listener,
      entity: AllTypesEntity,
      on: 'update',
      when: (after: AllTypes, before) => {
        seen.push({ after, before });
        return false;
      },
      inputOf: () => ({}) as never,
      idsOf: ({ transactionId }) => ({ transactionId }),
    });
    await shop.startCapture({ rowMessages: [rowMessage] });
    const rows = [
      edge(),
      edge({ amount: '0.0000', ratio: 1e300, clock: '00:00:00', document: 'only a text', digest: Buffer.alloc(0), name: '', oneDay: null }),
      edge({ amount: '99999999.9900', negative: 0n, large: 0n, document: [], clock: '838:59:59', state: 'NEW', flag: false }),
    ];
    const em = shop.orm.em.fork();
    await em.insertMany(AllTypesEntity, rows as never);
    const queried = async (): Promise<object[]> =>
      (await shop.orm.em.fork().find(AllTypesEntity, {}, { orderBy: { id: 'asc' } })).map((row) => ({ ...row }));
    const before = await queried();
    await shop.sql("update all_types set plain = 7, fixed = 'USD'");
    const after = await queried();
    await expect.poll(() => seen.length, PATIENCE).toBe(3);
    expect(seen.map(({ before: row }) => ({ ...row }))).toEqual(before);
    expect(seen.map(({ after: row }) => ({ ...row }))).toEqual(after);
    expect(after[0]).toMatchObject({ large: 18_446_744_073_709_551_615n, amount: '-1234567890123456.0001', fixed: 'USD' });
  });
});
