/**
 * Server time of each view of the ops page with 1,000,000 calls in the database, on the MySQL of `CHECKBACK_MYSQL_URL`, in a
 * database of its own that is dropped afterwards: node bench/ops/measure-views.ts [calls] [rounds]
 */
import { randomUUID } from 'node:crypto';
import { loadavg } from 'node:os';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { databaseBackend } from '../../src/cli/ops/database-backend.ts';
import { resolveOpsOptions } from '../../src/cli/ops/ops-options.ts';
import { startOpsServer } from '../../src/cli/ops/ops-server.ts';
import { queryMysql, splitDatabase } from '../../src/cli/stack/mysql-probe.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { BUSY, fillTables } from '../../test/ops/support/many-rows.ts';

const calls = Number(process.argv[2] ?? 1_000_000);
const rounds = Number(process.argv[3] ?? 15);
const given = process.env['CHECKBACK_MYSQL_URL'];
if (given === undefined) throw new Error('set CHECKBACK_MYSQL_URL to a server');
const { server } = splitDatabase(given);
const name = `ops_bench_${randomUUID().slice(0, 8)}`;
await queryMysql(server, `CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`);
const url = new URL(server);
url.pathname = `/${name}`;
const orm = await openOrm({ url: url.href, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
try {
  await orm.migrator.up();
  const began = performance.now();
  await fillTables(orm, (table) => (BUSY.includes(table) ? calls : calls / 10));
  console.log(
    `${calls} calls with their evidence, ${calls / 10} rows in each other table: filled in ${Math.round((performance.now() - began) / 1_000)} s`,
  );
  const config = { owner: 'bench', endpoints: '127.0.0.1:1', databaseUrl: url.href, origins: {}, alertWebhook: undefined };
  // A clock that leaps, so that no overview is given twice.
  let now = Date.now();
  const clock = { now: () => (now += 10_000), sleep: () => Promise.resolve() };
  const backend = databaseBackend({ config, orm, logger: silentLogger, clock });
  const page = await startOpsServer({ backend, options: resolveOpsOptions(), port: 0, logger: silentLogger });
  const paths = (nth: number): string[] => [
    '/',
    `/find?q=order-${nth}`,
    `/find?q=key-${nth}`,
    '/find?call=call-2&status=SUCCESS',
    `/find?call=call-2&status=SUCCESS&before=${calls / 2 + nth}`,
    `/story?id=order-${nth}`,
    `/attempt?call=${nth + 1}&n=1`,
    '/unknown?state=REVIEW',
    `/unknown?state=DUE&id=1&at=${Date.now() - (calls / 20) * 1_000}`,
    '/dead-letters?state=OPEN',
    `/dead-letters?state=RESOLVED&after=${calls / 20}`,
    `/dead-letters/letter?id=${(nth % (calls / 10)) + 1}`,
    '/sagas?status=PARKED',
    `/sagas?status=COMPLETED&id=x&at=${Date.now() - (calls / 20) * 1_000}`,
    `/sagas/saga?id=saga-${nth % (calls / 10)}`,
    '/reconciliation',
    '/reconciliation/run?id=2',
    '/breaks?state=OPEN',
    `/breaks/break?id=${(nth % (calls / 10)) + 1}`,
  ];
  const times = new Map<number, number[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const [nth, path] of paths(Math.floor(Math.random() * calls)).entries()) {
      const at = performance.now();
      const answer = await fetch(`${page.url}${path}`);
      await answer.text();
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
      times.set(nth, [...(times.get(nth) ?? []), performance.now() - at]);
    }
  }
  await page.close();
  console.log(`load of the machine meanwhile ${loadavg()[0]!.toFixed(1)}`);
  for (const [nth, path] of paths(0).entries()) {
    const sorted = times.get(nth)!.toSorted((a, b) => a - b);
    const shown = [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!].map((ms) => ms.toFixed(1).padStart(8));
    console.log(`${shown[0]} ms at least ${shown[1]} ms median ${shown[2]} ms at most  ${path}`);
  }
} finally {
  await orm.close(true);
  await queryMysql(server, `DROP DATABASE IF EXISTS \`${name}\``);
}
