import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { OrderEntity } from '../../schema/index.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { sqliteTransactionDatabase } from '../../src/store/sqlite-transaction-database.ts';
import { rowExists } from '../../src/transaction/lookup.ts';

/** A process that publishes to a SQLite file until it is told to end: prints what came of its start as a JSON line. */
const orm = await openOrm({ url: process.argv[2]!, entities: [OrderEntity] });
const database = sqliteTransactionDatabase(orm);
const lookup = rowExists(OrderEntity, ({ transactionId }) => ({ transactionId }));
const outcome = await database.start([{ name: 'l', lookup, half: 'first' }], { transactionTimeoutMs: 1_000 }).then(
  () => ({ kind: 'started' }),
  (error: unknown) => ({ kind: 'refused', message: (error as Error).message, code: (error as { code?: string }).code }),
);
writeSync(1, `${JSON.stringify(outcome)}\n`);
for await (const _ of createInterface({ input: process.stdin })) break;
await database.close();
await orm.close(true);
process.stdin.destroy();
