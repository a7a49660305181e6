import { describe, expect, it } from 'vitest';
import { onCaptureEvent } from '../../src/change-data-capture/diagnostics.ts';
import { CaptureStoppedError, ConfigurationError } from '../../src/errors.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { openCaptureShop } from './support/capture-shop.ts';
import { startPrivateMariadb } from './support/private-mariadb.ts';
import type { ReaderChild } from './support/reader.child.ts';
import { RecordingSender } from './support/recording-sender.ts';

const PATIENCE = { timeout: 60_000, interval: 50 };
const outcomeOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);
const ids = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

describe('The position of a capture', () => {
  it('is where a restart goes on: what came meanwhile is sent once, and nothing before again', async () => {
    await using shop = await openCaptureShop('cdc_restart');
    const first = await shop.startCapture();
    await shop.insert(...ids('early', 3));
    await expect.poll(() => first.stats()?.position?.position, PATIENCE).toBeDefined();
    await expect.poll(() => shop.sender.keys.toSorted(), PATIENCE).toEqual(ids('early', 3));
    await first.close();
    await shop.insert(...ids('late', 3));
    await shop.startCapture();
    await expect.poll(() => shop.sender.keys.toSorted(), PATIENCE).toEqual([...ids('early', 3), ...ids('late', 3)].toSorted());
  });

  it('is written once for several processes that start together, before their first orders', async () => {
    await using shop = await openCaptureShop('cdc_together');
    const captures = [shop.capture(), shop.capture({ reader: false }), shop.capture()];
    await Promise.all(captures.map((capture) => capture.start([])));
    await shop.insert('order-1');
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1']);
    expect(captures[1]!.stats()).toBeUndefined();
  });

  it('moves behind a process that was killed between a send and its writing, so that this is sent again and nothing is lost', async () => {
    await using shop = await openCaptureShop('cdc_killed');
    await shop.capture({ reader: false }).start([]);
    const orders = ids('order', 5);
    for (const id of orders) await shop.insert(id);
    const doomed: ReaderChild = { databaseUrl: shop.databaseUrl, name: 'shop', diesAfter: 2 };
    await using child = startProcess<{ sent: string }>('test/change-data-capture/support/reader.child.ts', [JSON.stringify(doomed)]);
    const { how, reports, stderr } = await child.ended;
    expect(how, stderr).toBe('SIGKILL');
    const sentBefore = reports.map(({ sent }) => sent);
    await shop.startCapture();
    await expect.poll(() => [...new Set([...sentBefore, ...shop.sender.keys])].toSorted(), PATIENCE).toEqual(orders);
    // Its last message was sent and not written down, so it comes twice.
    await expect.poll(() => shop.sender.keys, PATIENCE).toContain(sentBefore.at(-1)!);
  });

  it('is moved by one reader at a time, and by the next when that ends', async () => {
    await using shop = await openCaptureShop('cdc_two');
    const [one, two] = [new RecordingSender(), new RecordingSender()];
    const first = await shop.startCapture({ sender: one });
    await expect.poll(() => first.stats()?.state.kind, PATIENCE).toBe('READING');
    const standby: string[] = [];
    const off = onCaptureEvent('standby', ({ name }) => standby.push(name));
    const second = await shop.startCapture({ sender: two, orm: await shop.openOrm() });
    await expect.poll(() => standby, PATIENCE).toContain('shop');
    off();
    await shop.insert('order-1');
    await expect.poll(() => one.keys, PATIENCE).toEqual(['order-1']);
    expect(second.stats()).toMatchObject({ state: { kind: 'STANDBY' }, sent: 0 });
    await first.close();
    await shop.insert('order-2');
    await expect.poll(() => two.keys, PATIENCE).toEqual(['order-2']);
    expect(one.keys).toEqual(['order-1']);
  });

  it('passes to another process when the one that reads is killed', async () => {
    await using shop = await openCaptureShop('cdc_heir');
    const child: ReaderChild = { databaseUrl: shop.databaseUrl, name: 'shop' };
    await using killed = startProcess<{ sent: string }>('test/change-data-capture/support/reader.child.ts', [JSON.stringify(child)]);
    await expect.poll(async () => Number((await shop.position())?.['fence'] ?? 0), PATIENCE).toBeGreaterThan(0);
    await shop.insert('order-1');
    await expect.poll(() => killed.reports.length, { ...PATIENCE, message: killed.saidToStderr() }).toBeGreaterThan(0);
    const heir = await shop.startCapture();
    killed.kill('SIGKILL');
    await killed.ended;
    await shop.insert('order-2');
    await expect.poll(() => shop.sender.keys, PATIENCE).toContain('order-2');
    expect(heir.stats()).toMatchObject({ state: { kind: 'READING' } });
  });

  it('is no longer moved by a reader whose claim was taken, which then waits for its turn again', async () => {
    await using shop = await openCaptureShop('cdc_fence');
    const capture = await shop.startCapture({ savePositionMs: 86_400_000 });
    await expect.poll(() => capture.stats()?.state.kind, PATIENCE).toBe('READING');
    await shop.sql("update binlog_position set fence = fence + 1, file = file where name = 'shop'");
    const before = await shop.position();
    await shop.insert('order-1');
    // Sent by the first claim, not written down by it, and sent again by the second.
    await expect.poll(async () => Number((await shop.position())?.['fence']), PATIENCE).toBeGreaterThan(Number(before!['fence']));
    await shop.insert('order-2');
    await expect.poll(() => shop.sender.keys.at(-1), PATIENCE).toBe('order-2');
    expect(new Set(shop.sender.keys)).toEqual(new Set(['order-1', 'order-2']));
  });

  it('is refused when the server has no such file', async () => {
    await using shop = await openCaptureShop('cdc_lost');
    const first = await shop.startCapture();
    await first.close();
    await shop.sql("update binlog_position set file = 'binlog.000000' where name = 'shop'");
    const refused = await outcomeOf(shop.capture().start([]));
    expect(refused).toBeInstanceOf(CaptureStoppedError);
    expect(refused).toMatchObject({ reason: 'position-lost', message: expect.stringContaining('binlog.000000') });
  });

  it('must be one the server has, at the first start', async () => {
    await using shop = await openCaptureShop('cdc_from');
    const refused = await outcomeOf(shop.capture({ from: { file: 'binlog.999999', position: 4 } }).start([]));
    expect(refused).toBeInstanceOf(ConfigurationError);
    expect((refused as Error).message).toContain('binlog.999999');
  });
});

describe('GTIDs and files of MariaDB', () => {
  it('find the position on another server; without them it is refused, and where they are others', async () => {
    await using server = await startPrivateMariadb();
    await using shop = await openCaptureShop('cdc_failover', { mysqlUrl: server.mysqlUrl });
    const first = await shop.startCapture();
    await shop.insert('order-1');
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1']);
    await first.close();
    await shop.insert('order-2');
    await shop.sql("update binlog_position set server = 'another', file = 'elsewhere.000007', position = 99 where name = 'shop'");
    const second = await shop.startCapture();
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1', 'order-2']);
    await expect.poll(async () => (await shop.position())?.['server'], PATIENCE).not.toBe('another');
    await second.close();
    await shop.sql("update binlog_position set server = 'another', gtid_set = null where name = 'shop'");
    const refused = await outcomeOf(shop.capture().start([]));
    expect(refused).toMatchObject({ code: 'CB_CAPTURE_STOPPED', reason: 'server-changed' });
    expect((refused as Error).message).toContain('checkback reconcile delivery');
    await shop.sql('delete from binlog_position');
    await (await shop.startCapture()).close();
    await shop.sql("update binlog_position set gtid_set = '0-1-1' where name = 'shop'");
    expect(await outcomeOf(shop.capture().start([]))).toMatchObject({
      reason: 'position-lost',
      message: expect.stringContaining('begun anew'),
    });
  });

  it('are read from the oldest file on across rotations, and a position in a purged file is refused, never skipped', async () => {
    await using server = await startPrivateMariadb();
    await using shop = await openCaptureShop('cdc_purge', { mysqlUrl: server.mysqlUrl });
    await shop.insert('order-1');
    await shop.sql('flush binary logs');
    await shop.insert('order-2');
    const first = await shop.startCapture({ from: 'oldest' });
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1', 'order-2']);
    await shop.sql('flush binary logs');
    await shop.insert('order-3');
    await expect.poll(() => shop.sender.keys, PATIENCE).toEqual(['order-1', 'order-2', 'order-3']);
    await first.close();

    await shop.insert('order-4');
    await shop.sql('flush binary logs');
    const logs = await shop.sql('show binary logs');
    const { file } = (await shop.position())!;
    // Files that a reader still has open, though it is gone, are left alone at first.
    await expect
      .poll(async () => {
        await shop.sql(`purge binary logs to '${String(logs.at(-1)!['Log_name'])}'`);
        return (await shop.sql('show binary logs')).map(({ Log_name: name }) => name);
      }, PATIENCE)
      .not.toContain(file);
    const refused = await outcomeOf(shop.capture().start([]));
    expect(refused).toMatchObject({ code: 'CB_CAPTURE_STOPPED', reason: 'position-lost' });
    expect((refused as Error).message).toContain('checkback reconcile delivery');
    // As after a failover: the server itself must refuse GTIDs it has purged.
    await shop.sql("update binlog_position set server = 'another' where name = 'shop'");
    const stopped: unknown[] = [];
    const off = onCaptureEvent('stopped', ({ reason }) => stopped.push(reason));
    const capture = await shop.startCapture();
    await expect.poll(() => stopped, PATIENCE).toEqual(['position-lost']);
    off();
    expect(capture.stats()).toMatchObject({ state: { kind: 'STOPPED', reason: 'position-lost' } });
    expect(shop.sender.keys).not.toContain('order-4');
  });
});
