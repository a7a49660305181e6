import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { askNow } from '../../src/cli/commands/dlq-ask.ts';
import { inquireCall } from '../../src/dead-letter/call-inquiry.ts';
import { callOf } from '../../src/dead-letter/call-of-message.ts';
import { defineExternalCall } from '../../src/gateway/external-call.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { mysqlFindCall } from '../../src/store/find-external-call.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { mysqlStatusCheckStore } from '../../src/store/mysql-status-check-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { decodeMessage } from '../../src/worker/decode-message.ts';
import { defineMessageListener } from '../../src/worker/message-listener.ts';
import { received } from '../dead-letter/support/messages.ts';
import { executeIn } from '../support/execute-in.ts';
import { type TestDatabase, createDatabase } from '../support/stack.ts';

type Answer = { httpStatus: number; body: object };

describe('Before a dead letter is replayed whose call has an unknown outcome', () => {
  const requests: string[] = [];
  let says: Answer;
  let bank: Server;
  let home: TestDatabase;
  let orm: MikroORM;
  let gateway: Gateway;

  beforeAll(async () => {
    bank = createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`);
      const { httpStatus, body } = request.method === 'GET' ? says : { httpStatus: 201, body: {} };
      request.resume().on('end', () => response.writeHead(httpStatus, { 'content-type': 'application/json' }).end(JSON.stringify(body)));
    });
    await new Promise<void>((listening) => bank.listen(0, '127.0.0.1', listening));
    home = await createDatabase('dlq_ask');
    orm = await openOrm({ url: home.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
    await orm.migrator.up();
    await execute('create table effect (id int auto_increment primary key, what varchar(64) not null)');
    const origin = `http://127.0.0.1:${(bank.address() as AddressInfo).port}`;
    gateway = createGateway({ origins: { bank: origin }, store: mysqlExternalCallStore(orm) });
  });

  beforeEach(async () => {
    requests.splice(0);
    for (const table of ['external_call', 'status_check', 'effect']) await execute(`delete from ${table}`);
  });

  afterAll(async () => {
    await gateway?.close();
    await orm?.close(true);
    await home?.drop();
    bank?.closeAllConnections();
    bank?.close();
  });

  const execute = (sql: string, binds: unknown[] = []): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql, binds);
  const listener = (whenAbsent: 'retry' | 'fail') =>
    defineMessageListener<{ orderId: string }, string>({
      name: 'charge',
      topic: 'orders',
      group: 'payments',
      call: defineExternalCall<string>({
        name: 'charge-payment',
        origin: 'bank',
        method: 'POST',
        path: '/payments',
        timeouts: { connectMs: 10_000, writeMs: 10_000, readMs: 15_000, totalMs: 20_000 },
        statusCheck: {
          whenAbsent,
          path: (_input, key) => `/payments/${key}`,
          interpret: ({ response }) => {
            const { status } = response as { status?: 'SUCCESS' | 'FAIL' | 'ABSENT' };
            return status === undefined ? undefined : { status, response: {} };
          },
        },
      }),
      input: ({ payload }) => payload.orderId,
      idempotencyKey: ({ payload }) => payload.orderId,
      onSuccess: async (em, { message }) =>
        void (await executeIn(em, 'insert into effect (what) values (?)', [`paid ${message.payload.orderId}`])),
      onFail: async (em, { message }) =>
        void (await executeIn(em, 'insert into effect (what) values (?)', [`undone ${message.payload.orderId}`])),
    });
  const inquire = async (
    answer: Answer,
    { whenAbsent, row = "'UNKNOWN', null, null" }: { whenAbsent?: 'retry' | 'fail'; row?: string } = {},
  ) => {
    says = answer;
    await execute(
      `insert into external_call (call_name, idempotency_key, correlation_id, attempts, status, lease_owner, lease_until, created_at, updated_at)
       values ('charge-payment', 'order-1', 'c-1', 1, ${row}, utc_timestamp(3), utc_timestamp(3))`,
    );
    const listeners = [listener(whenAbsent ?? 'retry')];
    const askInstitution = askNow({
      calls: mysqlExternalCallStore(orm),
      gateway,
      listeners,
      logger: silentLogger,
      store: mysqlStatusCheckStore(orm),
    });
    return inquireCall({ callOf: callOf(listeners, decodeMessage), findCall: mysqlFindCall(orm), askInstitution })(
      received(),
      'payments',
      'orders',
    );
  };
  const effects = async () => (await execute('select what from effect order by id')).map(({ what }) => what);
  const statusOfCall = async () =>
    (await execute('select status from external_call where call_name = ?', ['charge-payment']))[0]?.['status'];

  it.each([
    ['SUCCESS', 'paid order-1'],
    ['FAIL', 'undone order-1'],
  ])('the institution says %s: our row says so too, with its effect, and nothing is replayed', async (status, effect) => {
    expect(await inquire({ httpStatus: 200, body: { status } })).toMatchObject({ kind: 'done', status, asked: true });
    expect(await statusOfCall()).toBe(status);
    expect(await effects()).toEqual([effect]);
    expect(requests).toEqual(['GET /payments/order-1']);
  });

  it('an order that never arrived is compensated where the policy says so', async () => {
    expect(await inquire({ httpStatus: 200, body: { status: 'ABSENT' } }, { whenAbsent: 'fail' })).toMatchObject({
      kind: 'done',
      status: 'FAIL',
    });
    expect(await effects()).toEqual(['undone order-1']);
    expect(requests).toEqual(['GET /payments/order-1']);
  });

  it('an order that never arrived is sent under the same key where the policy says so', async () => {
    expect(await inquire({ httpStatus: 200, body: { status: 'ABSENT' } })).toMatchObject({ kind: 'done', status: 'SUCCESS' });
    expect(await effects()).toEqual(['paid order-1']);
    expect(requests).toEqual(['GET /payments/order-1', 'POST /payments']);
  });

  it.each([
    ['does not know', { httpStatus: 200, body: {} }],
    ['is down', { httpStatus: 500, body: {} }],
  ])('an institution that %s leaves it unknown, and the replay is refused', async (_what, answer) => {
    expect(await inquire(answer)).toMatchObject({ kind: 'refuse', fact: expect.stringMatching(/"bank" could not say/) as string });
    expect(await statusOfCall()).toBe('UNKNOWN');
    expect(await effects()).toEqual([]);
  });

  it('a call whose worker died is asked after like any other', async () => {
    const row = "'PENDING', 'gone', utc_timestamp(3) - interval 1 second";
    expect(await inquire({ httpStatus: 200, body: { status: 'SUCCESS' } }, { row })).toMatchObject({ kind: 'done', status: 'SUCCESS' });
    expect(await effects()).toEqual(['paid order-1']);
    expect(requests).toEqual(['GET /payments/order-1']);
  });
});
