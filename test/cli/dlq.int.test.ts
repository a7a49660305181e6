import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { userInfo } from 'node:os';
import type { MikroORM } from '@mikro-orm/mysql';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ENGINE_ENTITIES, ENGINE_MIGRATIONS } from '../../schema/engine.ts';
import type { DeadLetterStore } from '../../src/dead-letter/dead-letter-store.ts';
import { keepMessage } from '../../src/dead-letter/keep-message.ts';
import { InvalidMessageError } from '../../src/errors.ts';
import { mysqlDeadLetterStore } from '../../src/store/mysql-dead-letter-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';
import { received } from '../dead-letter/support/messages.ts';
import { type TestDatabase, createDatabase } from '../support/stack.ts';
import { runDlq, startDlq } from './support/run-dlq.ts';

const CANARY = 'canary-4711';

describe('checkback dlq', () => {
  let home: TestDatabase;
  let orm: MikroORM;
  let store: DeadLetterStore;

  beforeAll(async () => {
    home = await createDatabase('dlq');
    orm = await openOrm({ url: home.url, entities: ENGINE_ENTITIES, migrations: ENGINE_MIGRATIONS });
    await orm.migrator.up();
    store = mysqlDeadLetterStore(orm);
  });

  beforeEach(async () => {
    await orm.em.getConnection().execute('truncate table dead_letter');
    await orm.em.getConnection().execute('truncate table dead_letter_action');
  });

  afterAll(async () => {
    await orm?.close(true);
    await home?.drop();
  });

  /** Nobody listens at port 1: what does not send needs no broker. */
  const dlq = (...args: string[]) => runDlq(args, { CHECKBACK_MYSQL_URL: home.url, CHECKBACK_ROCKETMQ_ENDPOINTS: '127.0.0.1:1' });
  const kept = (order: string, changes: { topic?: string; group?: string } = {}): Promise<number> => {
    const body = Buffer.from(JSON.stringify({ orderId: order, card: CANARY }));
    const message = received({ keys: [order], body, properties: { 'checkback-tx': order }, ...changes });
    return keepMessage(store, message, {
      topic: message.topic,
      group: changes.group ?? 'payments',
      listener: 'charge',
      call: undefined,
      reason: 'POISON',
      reasonText: `InvalidMessageError: card ${CANARY} is refused`,
      error: new InvalidMessageError(`card ${CANARY} is refused`),
      by: 'worker',
    });
  };
  const stateOf = async (id: number) => (await store.find(id))!.standing;

  it('lists letters page by page, for people and for programs, and never a body', async () => {
    for (const order of ['o1', 'o2', 'o3']) await kept(order);
    const first = await dlq('list', '--limit', '2');
    expect(first.stdout).toMatch(/^ {5}1 {2}OPEN .*POISON.*orders charge.*o1.*\n {5}2 {2}OPEN .*o2.*\n$/);
    expect(first.stderr).toBe('there are more: --after 2\n');
    const next = JSON.parse((await dlq('list', '--after', '2', '--json')).stdout) as {
      letters: { id: number; state: string }[];
      next: unknown;
    };
    expect(next).toMatchObject({ letters: [{ id: 3, state: 'OPEN', keys: ['o3'], reason: 'POISON' }], next: null });
    expect(await dlq('list', '--key', 'o9')).toMatchObject({ code: 0, stdout: '', stderr: 'no dead letters\n' });
    expect(first.stdout + JSON.stringify(next)).not.toContain(CANARY);
  });

  it('shows a letter with its errors and history, and its body only when asked', async () => {
    const id = await kept('o1');
    const { code, stdout } = await dlq('show', String(id));
    expect(code).toBe(0);
    expect(stdout).toMatch(/state +OPEN/);
    expect(stdout).toMatch(/error +InvalidMessageError CB_INVALID_MESSAGE: card \*\*\* is refused/);
    expect(stdout).toMatch(/KEPT by worker/);
    expect(stdout).not.toContain(CANARY);
    expect((await dlq('show', String(id), '--body')).stdout).toContain(`{"orderId":"o1","card":"${CANARY}"}`);
    const json = JSON.parse((await dlq('show', String(id), '--json', '--body')).stdout) as object;
    expect(json).toMatchObject({ id, state: 'OPEN', history: [{ action: 'KEPT' }], body: { encoding: 'utf8' } });
    expect(await dlq('show', '77')).toMatchObject({ code: 1, stderr: 'checkback: there is no dead letter 77\n' });
  });

  it('decides nothing where nobody can be asked, and nothing in a dry run', async () => {
    const id = await kept('o1');
    const unconfirmed = await dlq('discard', String(id), '--reason', 'test order');
    expect(unconfirmed).toMatchObject({ code: 2, stderr: expect.stringMatching(/confirm with --yes/) as string });
    const dry = await dlq('discard', '--all', '--reason', 'test order', '--dry-run');
    expect(dry).toMatchObject({ code: 0, stderr: 'would discard 1 dead letter\n' });
    expect(await dlq('discard', '--reason', 'test order', '--yes')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/say which letters/) as string,
    });
    expect(await stateOf(id)).toEqual({ state: 'OPEN' });
  });

  it('discards by number with who and why, and refuses what is decided', async () => {
    const id = await kept('o1');
    expect(await dlq('discard', String(id), '--reason', 'test order', '--yes')).toMatchObject({ code: 0, stdout: `${id}  discarded\n` });
    expect(await stateOf(id)).toMatchObject({ state: 'DISCARDED', decidedBy: userInfo().username, decisionReason: 'test order' });
    expect(await dlq('resolve', String(id), '--reason', 'paid', '--yes', '--json')).toMatchObject({
      code: 1,
      stdout: `${JSON.stringify({ id, result: 'refused', state: 'DISCARDED' })}\n`,
    });
  });

  it('resolves by filter, only what is open and at most so many', async () => {
    const ids = [await kept('o1'), await kept('o2'), await kept('o3'), await kept('o4', { group: 'others' })];
    await store.decide(ids[0]!, 'DISCARDED', { by: 'ada' });
    const args = ['resolve', '--group', 'payments', '--reason', 'paid by hand', '--by', 'bob', '--yes', '--limit', '1'];
    expect((await dlq(...args)).stdout).toBe(`${ids[1]}  resolved\n`);
    expect((await dlq(...args)).stdout).toBe(`${ids[2]}  resolved\n`);
    expect(await dlq(...args)).toMatchObject({ code: 0, stdout: '', stderr: 'no dead letters\n' });
    expect(await stateOf(ids[2]!)).toMatchObject({ state: 'RESOLVED', decidedBy: 'bob' });
    expect(await stateOf(ids[3]!)).toEqual({ state: 'OPEN' });
  });

  it('says in a dry run what a replay would do, without a broker', async () => {
    const ids = [await kept('o1'), await kept('o2', { topic: '%DLQ%payments' })];
    const dry = await dlq('replay', '--all', '--dry-run');
    expect(dry.code).toBe(0);
    expect(dry.stdout).toMatch(new RegExp(`^${ids[0]}  would go to orders\n${ids[1]}  would be refused: .*name it with --to\n$`));
    expect(await stateOf(ids[0]!)).toEqual({ state: 'OPEN' });
  });

  it('refuses, and ends with 1, what it knows no topic for', async () => {
    const id = await kept('o1', { topic: '%DLQ%payments' });
    expect(await dlq('replay', String(id), '--yes', '--json')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('"refused"') as string,
    });
    expect(await stateOf(id)).toEqual({ state: 'OPEN' });
  });

  it('leaves a letter REPLAYING when it is killed, for the next replay to take over once its lease has ended', async () => {
    // A broker that takes connections and says nothing.
    const sockets: Socket[] = [];
    const mute = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((listening) => mute.listen(0, '127.0.0.1', listening));
    const endpoints = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const id = await kept('o1');
    const killed = async () => {
      const { child, ended } = startDlq(['replay', String(id), '--yes', '--by', 'ada'], {
        CHECKBACK_MYSQL_URL: home.url,
        CHECKBACK_ROCKETMQ_ENDPOINTS: endpoints,
      });
      const before = (await store.history(id)).length;
      await vi.waitFor(async () => expect((await store.history(id)).length).toBeGreaterThan(before), { timeout: 60_000, interval: 50 });
      child.kill('SIGKILL');
      await ended;
    };
    try {
      await killed();
      expect(await stateOf(id)).toMatchObject({ state: 'REPLAYING' });
      const early = await dlq('replay', String(id), '--yes');
      expect(early.stdout).toMatch(/refused: another replay has claimed it; its lease ends in \d+ s/);
      await orm.em.getConnection().execute('update dead_letter set lease_until = utc_timestamp(3) where id = ?', [id]);
      expect((await dlq('show', String(id))).stdout).toMatch(/REPLAYING, lease over: its process died/);
      await killed();
      expect((await store.history(id)).map(({ action }) => action)).toEqual([
        'KEPT',
        'REPLAY_CLAIMED',
        'REPLAY_ABANDONED',
        'REPLAY_CLAIMED',
      ]);
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
    }
  });
});
