// Reconciles one file and tells its parent how it went; a process of its own, so that its memory is nobody else's.
import { createReadStream } from 'node:fs';
import { bankStatement } from '../../listeners/reconciliation/bank.statement.ts';
import { ENGINE_ENTITIES } from '../../schema/engine.ts';
import { OrderEntity } from '../../schema/index.ts';
import { expectShortLivedRows } from '../../src/cli/reconciliation/short-lived-rows.ts';
import { reconcileStatement } from '../../src/reconciliation/statement/reconcile-statement.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { mysqlStatementStore } from '../../src/store/mysql-reconciliation-break-store.ts';
import { mysqlOurRows } from '../../src/store/mysql-settlement-rows.ts';

expectShortLivedRows();
const [url, file, day] = process.argv.slice(2) as [string, string, string];
const orm = await openOrm({ url, entities: [...ENGINE_ENTITIES, OrderEntity] });
const store = mysqlStatementStore(orm);
const result = await reconcileStatement(
  bankStatement,
  { day, bytes: createReadStream(file), source: 'bank.csv' },
  { store, ours: mysqlOurRows(orm) },
  new AbortController().signal,
);
await orm.close(true);
// Kilobytes, at most.
process.send!({ ...result, maxRssMib: process.resourceUsage().maxRSS / 1024 });
process.disconnect();
