import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import { type MockBank, startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { defineExternalCall } from '../../src/gateway/external-call.ts';
import { createGateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { createDatabase } from '../support/stack.ts';

const CANARY = /canary-[\w-]+/g;
const CHANNELS = ['attempt-opened', 'attempt-closed', 'connect-timeout', 'circuit-changed', 'throttled', 'retry-budget-exhausted'];
const pem = (name: string): string => readFileSync(new URL(`./tls/${name}.pem`, import.meta.url), 'utf8');

let database: Awaited<ReturnType<typeof createDatabase>>;
let orm: MikroORM;
let bank: MockBank;
/** Everything said outside the database: log lines, errors with their causes, events. */
const said: unknown[] = [];
const events: unknown[] = [];
const note = (...line: unknown[]): void => void said.push(line);
const onEvent = (event: unknown): void => void events.push(event);

beforeAll(async () => {
  database = await createDatabase('canary');
  orm = await openOrm({ url: database.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
  await orm.migrator.up();
  bank = await startMockBank();
  for (const name of CHANNELS) subscribe(`checkback:gateway:${name}`, onEvent);
});

afterAll(async () => {
  for (const name of CHANNELS) unsubscribe(`checkback:gateway:${name}`, onEvent);
  await bank?.close();
  await orm?.close(true);
  await database?.drop();
});

const secrets = { password: 'canary-password', card: { pan: 'canary-pan' }, note: 'canary-note', items: [{ apiKey: 'canary-api-key' }] };
const pay = defineExternalCall<object>({
  name: 'pay-order',
  origin: 'bank',
  method: 'POST',
  path: '/payments?token=canary-query&since=canary-since',
  body: (input) => input,
  headers: () => ({
    'x-api-key': 'canary-header',
    'x-signature': 'keyId="canary-key-id",signature="canary-signature"',
    'x-basic': `Basic ${btoa('me:canary-basic')}`,
  }),
  mask: ['note', 'card'],
  timeouts: { connectMs: 2_000, readMs: 300 },
  retry: { maxAttempts: 1 },
  classify: ({ httpStatus, headers }) => {
    if (httpStatus === 418) throw new Error(`canary-classifier ${JSON.stringify(headers)}`);
    return undefined;
  },
  response: {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => ({ issues: [{ message: `canary-schema ${JSON.stringify(value)}`, path: ['status'] }] }),
    },
  },
});

it('lets no seeded secret into a row, a log line, an error or an event', async () => {
  const origin = { headers: { authorization: 'Bearer canary-authorization', cookie: 'session=canary-cookie; other=canary-other' } };
  const open = (overrides: object, options: Partial<GatewayOptions> = {}) =>
    createGateway({
      origins: { bank: { url: bank.origin, ...origin, ...overrides } },
      circuit: false,
      store: mysqlExternalCallStore(orm),
      logger: { debug: note, info: note, warn: note, error: note },
      ...options,
    });
  const refused = (work: () => unknown): void => expect(() => noting(work)).toThrow(/^origin "bank"/);
  const noting = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      said.push(error);
      throw error;
    }
  };
  const call = async (gateway: ReturnType<typeof open>, key: string, input: object = secrets): Promise<string> => {
    try {
      const outcome = await gateway.call(pay, input, { idempotencyKey: key, correlationId: 'c' });
      // Not its response: that is what the caller asked for.
      if ('error' in outcome) said.push(outcome.error);
      return outcome.status;
    } catch (error) {
      said.push(error);
      return (error as { code: string }).code;
    }
  };

  // Where they may not be at all.
  refused(() => open({ url: 'https://canary-user:canary-userinfo@bank.example' }));
  refused(() => open({ url: 'https://bank.example/?token=canary-origin-query' }));
  refused(() => open({ headers: { authorization: 'canary-broken\r\nheader' } }));

  // Whatever the bank does with them.
  const echo = 'Bearer canary-authorization canary-cookie canary-other canary-header canary-key-id canary-signature canary-basic';
  const json = { 'content-type': 'application/json' };
  const headers = {
    ...json,
    'set-cookie': ['a=canary-set-cookie', 'b=canary-second'],
    location: 'https://canary-location',
    server: `echo ${echo}`,
  };
  const body = JSON.stringify({ ...secrets, echo, status: 'x' });
  bank.follow([
    { kind: 'answer', status: 200, headers, body },
    { kind: 'answer', status: 422, headers, body },
    { kind: 'answer', status: 502, headers: { 'content-type': 'text/html' }, body: `<h1>${echo}</h1>` },
    { kind: 'answer', status: 418, headers, body: '{"note":"canary-note"}' },
    { kind: 'answer', status: 200, headers: json, body: '{"note":"canary-note' },
    { kind: 'answer', status: 429, headers: { ...headers, 'retry-after': '5' }, body: `{"token":"canary-token"}` },
    { kind: 'garbage', bytes: 'canary-not-http\r\n\r\n' },
    { kind: 'garbage', bytes: 'HTTP/1.1 200 canary-reason\r\nx: \u0000canary-control\r\n\r\n' },
    { kind: 'never-answer' },
    { kind: 'reset', when: 'after-body' },
    { kind: 'reset', when: 'during-answer' },
  ]);
  const gateway = open({});
  const ends: string[] = [];
  for (let nth = 1; nth <= 11; nth += 1) ends.push(await call(gateway, `key-${nth}`));
  expect(ends).toEqual(['UNKNOWN', 'FAIL', 'UNKNOWN', 'UNKNOWN', 'UNKNOWN', 'PENDING', ...Array<string>(5).fill('UNKNOWN')]);
  // And again, from the record.
  for (let nth = 1; nth <= 2; nth += 1) await call(gateway, `key-${nth}`);
  expect(await call(gateway, 'key-cyclic', cyclic())).toBe('CB_INVALID_MESSAGE');
  // Many at once are recorded together.
  bank.follow(() => ({ kind: 'answer', status: 422, headers, body }));
  await Promise.all(Array.from({ length: 20 }, (_, nth) => call(gateway, `together-${nth}`)));
  await gateway.close();

  // A certificate that names its owner, and a database that refuses.
  const tls = await startMockBank({ tls: { cert: pem('other-host'), key: pem('server.key') } });
  const wary = open({ url: tls.origin, ca: pem('authority') });
  expect(await call(wary, 'key-tls')).toBe('PENDING');
  await wary.close();
  await tls.close();
  await orm.em.getConnection().execute('rename table external_call_attempt to hidden');
  const mute = open({});
  expect(await call(mute, 'key-no-audit')).toBe('CB_AUDIT_UNAVAILABLE');
  await mute.close();
  await orm.em.getConnection().execute('rename table hidden to external_call_attempt');

  // They did leave: the test is about what stays.
  expect(bank.requests[0]).toMatchObject({
    path: expect.stringContaining('canary-query'),
    body: expect.stringContaining('canary-password'),
    headers: { authorization: 'Bearer canary-authorization', 'x-api-key': 'canary-header' },
  });
  const rows = await everyRow();
  expect(rows).toContain('x-signature');
  expect(rows.match(CANARY)).toBeNull();
  expect(events.length).toBeGreaterThan(50);
  expect(textOf(events).match(CANARY)).toBeNull();
  expect(said.length).toBeGreaterThan(50);
  expect(textOf(said).match(CANARY)).toBeNull();
});

/** Every row of every table of the database. */
async function everyRow(): Promise<string> {
  const execute = (sql: string): Promise<Record<string, unknown>[]> => orm.em.getConnection().execute(sql);
  const tables = await execute(`select table_name as name from information_schema.tables where table_schema = database()`);
  expect(tables.length).toBeGreaterThanOrEqual(3);
  const all: unknown[] = [];
  for (const { name } of tables) all.push(await execute(`select * from \`${String(name)}\``));
  return textOf(all);
}

/** A body whose serialisation fails, with a secret in it. */
function cyclic(): object {
  const self: Record<string, unknown> = { password: 'canary-cyclic' };
  self['self'] = self;
  return self;
}

/** Everything reachable, buffers as text, errors with all they carry. */
function textOf(value: unknown, seen = new Set<unknown>()): string {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  if (value === null || typeof value !== 'object') return String(value);
  if (seen.has(value)) return '';
  seen.add(value);
  const inner =
    value instanceof Map ? [...value.entries()] : Reflect.ownKeys(value).map((key) => (value as Record<PropertyKey, unknown>)[key]);
  return inner.map((item) => textOf(item, seen)).join('\n');
}
