import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { placeOrder } from '../../listeners/index.ts';
import { startMonitor, type Monitor, type MonitorOptions } from '../../src/cli/telemetry/start-monitor.ts';
import { METRICS, prometheusName } from '../../src/telemetry/metric-list.ts';
import { openShop, ORDER, type Shop } from './support/shop.ts';

const until = { timeout: 20_000, interval: 50 };
const punctual = { maxDelayMs: () => 0, close: () => {} };

describe('The port of a worker', () => {
  const parts = new Set<() => Promise<unknown>>();
  afterEach(async () => {
    for (const close of [...parts].toReversed()) await close();
    parts.clear();
  });

  async function monitored(options: MonitorOptions = {}, shopOptions = {}) {
    const shop = await openShop(shopOptions);
    parts.add(() => shop.close());
    const monitor = await startMonitor(shop.config, { port: 0, eventLoop: punctual, ...options });
    parts.add(() => monitor.close());
    return { shop, monitor, ...asking(monitor) };
  }
  function asking({ address }: Monitor) {
    const ask = async (path: string, method = 'GET') => {
      const response = await fetch(`http://${address!.host}:${address!.port}${path}`, { method });
      return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
    };
    const health = async (path: '/livez' | '/readyz') => {
      const { status, text } = await ask(path);
      return { status, parts: (JSON.parse(text) as { parts: Record<string, { ok: boolean; reason?: string }> }).parts };
    };
    return { ask, health, metrics: async () => (await ask('/metrics')).text };
  }
  const working = async (shop: Shop, monitor: Monitor) => {
    const worker = await shop.worker();
    monitor.watch(worker.part);
    return worker;
  };

  it('listens on loopback', async () => {
    const { monitor } = await monitored();
    expect(monitor.address).toMatchObject({ host: '127.0.0.1' });
  });

  it('says that the process lives while it starts, and that it is not ready', async () => {
    const { health } = await monitored();
    expect(await health('/livez')).toEqual({ status: 200, parts: { eventLoop: { ok: true } } });
    expect(await health('/readyz')).toEqual({ status: 503, parts: { process: { ok: false, reason: 'it is starting' } } });
  });

  it('is ready with a broker, a database and a punctual event loop, until the worker drains', async () => {
    const { shop, monitor, health } = await monitored();
    await working(shop, monitor);
    await expect
      .poll(() => health('/readyz'), until)
      .toEqual({
        status: 200,
        parts: { process: { ok: true }, broker: { ok: true }, database: { ok: true }, eventLoop: { ok: true } },
      });
    monitor.drain();
    expect(await health('/readyz')).toEqual({ status: 503, parts: { process: { ok: false, reason: 'it is draining' } } });
    expect(await health('/livez')).toMatchObject({ status: 200 });
  });

  it('is not ready without its broker', async () => {
    const { shop, monitor, health } = await monitored();
    await working(shop, monitor);
    await shop.broker.close();
    const answer = () => health('/readyz');
    await expect.poll(answer, until).toMatchObject({ status: 503, parts: { broker: { ok: false }, database: { ok: true } } });
    expect((await answer()).parts['broker']?.reason).toMatch(/no connection \(ECONNREFUSED\)|receiving from topic "orders" fails/);
  });

  it('is not ready without its database, and leaves its states out', async () => {
    const { shop, monitor, health, metrics } = await monitored();
    const { part } = await working(shop, monitor);
    await part.orm.close(true);
    const answer = () => health('/readyz');
    await expect.poll(answer, until).toMatchObject({ status: 503, parts: { broker: { ok: true }, database: { ok: false } } });
    expect((await answer()).parts['database']?.reason).toMatch(/^it does not answer \(\w+\)$/);
    await expect.poll(metrics, until).toMatch(/^checkback_ready 0$/m);
    const text = await metrics();
    expect(text).toContain('checkback_state_readable{source="database"} 0');
    expect(text).not.toMatch(/^checkback_calls_open\{/m);
  });

  it('is not ready, and at last not alive, while the event loop is late', async () => {
    let delayMs = 1_000;
    const { shop, monitor, health } = await monitored({ eventLoop: { maxDelayMs: () => delayMs, close: () => {} } });
    await working(shop, monitor);
    expect(await health('/readyz')).toMatchObject({
      status: 503,
      parts: { eventLoop: { ok: false, reason: expect.stringContaining('1000 ms late') as string } },
    });
    expect(await health('/livez')).toMatchObject({ status: 200 });
    delayMs = 10_000;
    expect(await health('/livez')).toMatchObject({ status: 503 });
  });

  it('tells every metric of the list, and what has happened', async () => {
    const { shop, monitor, ask, metrics } = await monitored();
    await working(shop, monitor);
    await (await shop.publisher()).publish(placeOrder, ORDER);
    await expect.poll(metrics, until).toContain('checkback_deliveries_total{listener="charge-payment",topic="orders",disposition="ack"} 1');
    await expect.poll(metrics, until).toMatch(/^checkback_ready 1$/m);
    await expect.poll(metrics, until).toContain('checkback_state_readable{source="database"} 1');
    const { status, type, text } = await ask('/metrics');
    expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(text).toContain('checkback_call_attempts_total{origin="bank",call="charge-payment",outcome="SUCCESS",error="",phase=""} 1');
    expect(text).toContain('checkback_transactions_total{topic="orders",outcome="committed",reason=""} 1');
    expect(text).toContain('checkback_circuit_state{origin="bank",state="closed"} 1');
    expect(text).toContain('checkback_calls_open{state="unknown"} 0');
    expect(text).toContain('checkback_dead_letters_open_by_topic{topic="orders"} 0');
    const known = new Set(Object.keys(METRICS).map((name) => prometheusName(name as keyof typeof METRICS)));
    for (const [, name] of text.matchAll(/^# TYPE (\S+) /gm)) expect(known).toContain(name);
  });

  it('never tells a secret, a key or what is in a message', async () => {
    const { shop, monitor, metrics } = await monitored({}, { headers: { authorization: 'Bearer canary-header' } });
    shop.bank.follow([{ kind: 'answer', status: 500, body: '{"canary-answer":1}', headers: { 'x-canary': 'canary-answer' } }]);
    await working(shop, monitor);
    await (await shop.publisher()).publish(placeOrder, { ...ORDER, orderId: 'canary-key', customerId: 'canary-body' });
    await expect.poll(metrics, until).toMatch(/checkback_deliveries_total\{.*\} 1/);
    expect(await metrics()).not.toContain('canary');
  });

  it('answers nothing else', async () => {
    const { ask } = await monitored();
    expect(await ask('/')).toMatchObject({ status: 404 });
    expect(await ask('/metrics/../etc')).toMatchObject({ status: 404 });
    expect(await ask('/metrics', 'POST')).toMatchObject({ status: 405 });
    expect(await ask('/livez?verbose=1')).toMatchObject({ status: 200 });
    expect((await ask('/readyz', 'HEAD')).text).toBe('');
  });

  it('refuses a port that is taken, naming it', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    parts.add(() => new Promise((resolve) => taken.close(resolve)));
    const { port } = taken.address() as { port: number };
    await expect(monitored({ port })).rejects.toThrow(
      `--metrics-port: cannot listen on 127.0.0.1:${port}: something listens there already`,
    );
  });

  it('is not there without a port', async () => {
    const shop = await openShop();
    parts.add(() => shop.close());
    const monitor = await startMonitor(shop.config);
    expect(monitor.address).toBeUndefined();
    await monitor.close();
  });
});
