import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { EntityManager } from '@mikro-orm/core';
import { expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { executeIn } from '../support/execute-in.ts';
import { createDatabase } from '../support/stack.ts';
import { FAULTS, randomFrom } from './support/faults.ts';
import { payment, payOrder } from './support/payment-call.ts';

const CALLS = 10_000;
const CONCURRENCY = 100;
const WARM_UP_CALLS = 1_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const memoryAfterGc = (): number => {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
const sockets = (): number => process.getActiveResourcesInfo().filter((kind) => /^(?:TCPSocketWrap|TLSWrap)$/.test(kind)).length;

it(`ends ${CALLS} calls among all faults with every one audited in the database, none paid twice, nothing left open`, async () => {
  const socketsBefore = sockets();
  const database = await createDatabase('all_faults');
  const orm = await openOrm({ url: database.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
  await orm.migrator.up();
  const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
  await execute('create table effect (id int auto_increment primary key, call_key varchar(64) not null, key (call_key))');
  await execute(
    'create table bank_book (call_key varchar(64) collate utf8mb4_bin primary key, requests int not null, payments int not null)',
  );
  const random = randomFrom(20_260_102);
  const bank = await startMockBank({
    script: (request) => (request.method === 'POST' && random() < 0.5 ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined),
  });
  const gateway = createGateway({
    origins: { bank: { url: bank.origin, maxConnections: 64 } },
    // Half of all answers are faults, on purpose: neither may the gateway spare the bank, nor give a call up for lack of room.
    circuit: false,
    maxWaitMs: 60_000,
    storeTimeoutMs: 30_000,
    store: mysqlExternalCallStore(orm),
  });
  const call = payOrder({ timeouts: { connectMs: 20_000, writeMs: 5_000, readMs: 100, totalMs: 30_000 }, maxResponseBytes: 64 * 1024 });
  const book = new Map<string, { requests: number; payments: number }>();

  /** What the bank saw and did goes into the book, and out of its memory. */
  const closeBook = (): void => {
    for (const { idempotencyKey, method } of bank.requests) {
      if (method !== 'POST') continue;
      const line = book.get(idempotencyKey) ?? { requests: 0, payments: 0 };
      book.set(idempotencyKey, { requests: line.requests + 1, payments: bank.effects.get(idempotencyKey) ?? 0 });
    }
    (bank.requests as unknown[]).length = 0;
  };
  let next = 0;
  const callUntil = async (end: number): Promise<void> => {
    const caller = async (): Promise<void> => {
      while (next < end) {
        // Neighbours share a key, so that some call it at the same moment and some after one another.
        const nth = Math.floor(next++ / 2);
        const idempotencyKey = `key-${nth}`;
        const apply = async (em: EntityManager): Promise<void> =>
          void (await executeIn(em, 'insert into effect (call_key) values (?)', [idempotencyKey]));
        // Those without an effect of their own are recorded together, the others each by itself.
        await gateway.call(call, payment, { idempotencyKey, correlationId: 'c', ...(nth % 2 === 0 && { apply }) });
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, caller));
    closeBook();
  };
  await callUntil(WARM_UP_CALLS);
  const memoryBefore = memoryAfterGc();
  await callUntil(WARM_UP_CALLS + CALLS);
  const grown = memoryAfterGc() - memoryBefore;
  await gateway.close();
  await expect.poll(() => bank.connections, { timeout: 10_000 }).toBe(0);

  const lines = [...book];
  for (let at = 0; at < lines.length; at += 500) {
    const piece = lines.slice(at, at + 500);
    await execute(
      `insert into bank_book values ${piece.map(() => '(?, ?, ?)').join(', ')}`,
      piece.flatMap(([key, { requests, payments }]) => [key, requests, payments]),
    );
  }
  const count = async (sql: string): Promise<number> => Number(Object.values((await execute(sql))[0] ?? {})[0]);
  const attempts = '(select count(*) from external_call_attempt a where a.call_id = c.id)';
  const responses = '(select count(*) from external_call_response r where r.call_id = c.id)';
  expect({
    calls: await count('select count(*) from external_call'),
    unaudited: await count(
      `select count(*) from bank_book b left join external_call c on c.idempotency_key = b.call_key where c.id is null or b.requests > ${attempts}`,
    ),
    incomplete: await count(`select count(*) from external_call c where c.attempts <> ${attempts} or c.attempts <> ${responses}`),
    leased: await count('select count(*) from external_call where lease_owner is not null'),
    paidTwice: await count('select count(*) from bank_book where payments > 1'),
    untrue: await count(
      `select count(*) from external_call c join bank_book b on b.call_key = c.idempotency_key
       where (c.status = 'SUCCESS' and b.payments <> 1) or (c.status in ('FAIL', 'PENDING') and b.payments <> 0)`,
    ),
    unappliedOrTwice: await count(
      `select count(*) from external_call c where cast(substr(c.idempotency_key, 5) as unsigned) % 2 = 0
         and (select count(*) from effect e where e.call_key = c.idempotency_key) <> (c.status in ('SUCCESS', 'FAIL'))`,
    ),
  }).toEqual({
    calls: (WARM_UP_CALLS + CALLS) / 2,
    unaudited: 0,
    incomplete: 0,
    leased: 0,
    paidTwice: 0,
    untrue: 0,
    unappliedOrTwice: 0,
  });
  const statuses = (await execute('select distinct status from external_call')).map(({ status }) => status);
  // All four ends did occur, or this has shown nothing.
  expect(statuses.sort()).toEqual(['FAIL', 'PENDING', 'SUCCESS', 'UNKNOWN']);
  // A leak of one exchange a call would be at least 10,000 times some kilobytes.
  expect(grown).toBeLessThan(CALLS * 1_000);

  await bank.close();
  await orm.close(true);
  await expect.poll(sockets, { timeout: 10_000 }).toBeLessThanOrEqual(socketsBefore);
  await database.drop();
}, 300_000);
