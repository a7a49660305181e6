import type { EntityManager } from '@mikro-orm/core';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fulfilOrder } from '../../listeners/sagas/fulfil-order.saga.ts';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS, Migration20260101000000Orders, OrderEntity } from '../../schema/index.ts';
import { Migration20260101000600Saga } from '../../schema/migrations/migration-20260101000600-saga.ts';
import { type MockBank, type MockBankStep, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { mysqlSagaStore } from '../../src/store/mysql-saga-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { startSaga } from '../../src/store/start-saga.ts';
import { type TestProcess, startProcess } from '../support/publishing-processes.ts';
import { anOrder } from '../support/publishing-listeners.ts';
import { type TestDatabase, createDatabase } from '../support/stack.ts';
import type { RunnerTask } from './support/saga-runner.child.ts';

const PATIENCE_MS = 90_000;
const INSTITUTIONS = ['warehouse', 'bank', 'carrier'] as const;

let database: TestDatabase;
let orm: MikroORM;
let orders = 0;
const institutions = new Map<string, MockBank>();

beforeAll(async () => {
  database = await createDatabase('saga_killed');
  const migrations = [...new Set([...ENGINE_MIGRATIONS, Migration20260101000600Saga, Migration20260101000000Orders])];
  orm = await openOrm({ url: database.url, entities: [...ENGINE_ENTITIES, OrderEntity], migrations });
  await orm.migrator.up();
  for (const name of INSTITUTIONS) institutions.set(name, await startMockBank());
});
afterAll(async () => {
  for (const bank of institutions.values()) await bank.close();
  await orm?.close(true);
  await database?.drop();
});

const execute = (sql: string): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql);
/** Leases end and pauses are over. */
const anHourPasses = async (): Promise<void> => {
  await execute(`update external_call set lease_until = lease_until - interval 1 hour, not_before = null where lease_owner is not null`);
  await execute(`update saga_instance set next_run_at = next_run_at - interval 1 hour`);
};

interface Outcome {
  readonly kills: number;
  readonly status: string | undefined;
  readonly order: string | undefined;
  /** Effects at the institutions, in their order. */
  readonly effects: readonly string[];
}

/**
 * Fulfils one order by runners that are killed again and again. `treats` says what an institution does with a request and
 * whether its runner is killed as soon as the request is seen.
 */
async function fulfil(
  task: Pick<RunnerTask, 'diesAfterStep'>,
  within: readonly string[],
  treats: (key: string, isFirst: boolean) => { step: MockBankStep; kills: boolean },
): Promise<Outcome> {
  const order = anOrder(`${(orders += 1)}`);
  const id = `order-${order.orderId}`;
  const store = mysqlSagaStore(orm);
  const effects: string[] = [];
  const seen = new Set<string>();
  let runner: TestProcess<never> | undefined;
  for (const bank of institutions.values()) {
    bank.follow((request) => {
      if (request.method !== 'POST') return undefined;
      const key = request.idempotencyKey.slice(id.length + 1);
      const { step, kills } = treats(key, !seen.has(key));
      seen.add(key);
      if (step.kind === 'ok' || step.kind === 'never-answer') effects.push(key);
      if (kills) runner?.kill('SIGKILL');
      return step;
    });
  }
  await orm.em.fork().transactional(async (em) => {
    em.create(OrderEntity, { ...order, id: order.orderId, transactionId: id, amountMinor: BigInt(order.amountMinor), status: 'PLACED' });
    await startSaga(em as unknown as EntityManager, fulfilOrder, { id, input: order, correlationId: id });
  });
  const statusOf = async (): Promise<string | undefined> => (await store.find(id))?.status;
  const deadlines = [...within];
  const until = Date.now() + PATIENCE_MS;
  let kills = 0;
  while (['RUNNING', 'COMPENSATING'].includes((await statusOf()) ?? '')) {
    if (Date.now() > until) throw new Error(`no end: ${JSON.stringify(await store.find(id))}`);
    const origins = Object.fromEntries([...institutions].map(([name, { origin }]) => [name, origin]));
    const child: RunnerTask = { ...task, mysqlUrl: database.url, origins, diesWithin: deadlines.shift() };
    await using process = startProcess<never>('test/e2e/support/saga-runner.child.ts', [JSON.stringify(child)]);
    runner = process;
    let isGone = false;
    const gone = process.ended.then(({ how, stderr }) => {
      isGone = true;
      expect(how, stderr).toBe('SIGKILL');
    });
    while (!isGone && ['RUNNING', 'COMPENSATING'].includes((await statusOf()) ?? '')) {
      // Only what waits, not what is leased to the living: a lease that ends under a live runner is another test's.
      await execute(`update saga_instance set next_run_at = next_run_at - interval 1 hour where lease_owner is null`);
      await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 100))]);
    }
    if (isGone) {
      kills += 1;
      await gone;
      await anHourPasses();
    }
  }
  const [row] = await orm.em.fork().find(OrderEntity, { id: order.orderId });
  return { kills, status: await statusOf(), order: row?.status, effects };
}

const untouched = (): { step: MockBankStep; kills: boolean } => ({ step: { kind: 'ok' }, kills: false });
const refusingShipment = (key: string) => ({ step: { kind: key === 'shipment' ? 'reject' : 'ok' } as MockBankStep, kills: false });
const FORWARD = ['stock', 'payment', 'shipment'];
const THERE_AND_BACK = ['stock', 'payment', 'payment:compensation', 'stock:compensation'];

describe('A saga whose runner is killed by SIGKILL', () => {
  it('after each step it recorded, completes', async () => {
    const outcome = await fulfil({ diesAfterStep: true }, [], untouched);
    expect(outcome).toMatchObject({ status: 'COMPLETED', order: 'PAID', effects: FORWARD });
    // The last one may be seen to have ended before it is seen to be dead.
    expect(outcome.kills).toBeGreaterThanOrEqual(4);
  });

  it('after each step it recorded, compensates in reverse', async () => {
    const outcome = await fulfil({ diesAfterStep: true }, [], refusingShipment);
    expect(outcome).toMatchObject({ status: 'COMPENSATED', order: 'REJECTED', effects: THERE_AND_BACK });
    expect(outcome.kills).toBeGreaterThanOrEqual(5);
  });

  it.each<{ acts: boolean; step: MockBankStep }>([
    { acts: true, step: { kind: 'never-answer' } },
    { acts: false, step: { kind: 'stop-reading' } },
  ])('in the middle of each call, acted upon: $acts, completes with each effect once', async ({ step }) => {
    const outcome = await fulfil({ diesAfterStep: false }, [], (_key, isFirst) => (isFirst ? { step, kills: true } : untouched()));
    expect(outcome).toEqual({ kills: 3, status: 'COMPLETED', order: 'PAID', effects: FORWARD });
  });

  it.each<{ acts: boolean; step: MockBankStep }>([
    { acts: true, step: { kind: 'never-answer' } },
    { acts: false, step: { kind: 'stop-reading' } },
  ])('in the middle of each call, acted upon: $acts, compensates each effect once and in reverse', async ({ step }) => {
    const outcome = await fulfil({ diesAfterStep: false }, [], (key, isFirst) =>
      isFirst && key !== 'shipment' ? { step, kills: true } : refusingShipment(key),
    );
    expect(outcome).toEqual({ kills: 4, status: 'COMPENSATED', order: 'REJECTED', effects: THERE_AND_BACK });
  });

  it('in the transaction of a local step, forward and back', async () => {
    const forward = await fulfil({ diesAfterStep: false }, ['order action', 'confirm action'], untouched);
    expect(forward).toEqual({ kills: 2, status: 'COMPLETED', order: 'PAID', effects: FORWARD });
    const back = await fulfil({ diesAfterStep: false }, ['order compensation'], refusingShipment);
    expect(back).toEqual({ kills: 1, status: 'COMPENSATED', order: 'REJECTED', effects: THERE_AND_BACK });
  });
});
