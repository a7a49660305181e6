import { afterEach, describe, expect, it } from 'vitest';
import { anOrder } from '../support/publishing-listeners.ts';
import { startProcess } from '../support/publishing-processes.ts';
import { openShop } from '../support/publishing-shop.ts';
import { useStack } from '../support/stack.ts';
import { type Recorded, recordTelemetry } from './support/recorded-telemetry.ts';

const CONFIG = 'test/e2e/support/shop.config.ts';
const PATIENCE = { timeout: 90_000, interval: 300 };

describe('Telemetry on RocketMQ and MySQL', () => {
  let recorded: Recorded | undefined;
  afterEach(async () => {
    await recorded?.close();
    recorded = undefined;
  });

  it('is one trace from publish() to the attempt at the call, and metrics of the worker process', async () => {
    recorded = recordTelemetry();
    await using shop = await openShop('telemetry');
    const publisher = await shop.startPublisher();
    const worker = await shop.startWorker();
    await publisher.publish(shop.placeOrder, anOrder('traced'));
    const names = () => recorded!.spans().map(({ name }) => name);
    await expect.poll(names, PATIENCE).toContain(`process ${shop.topic}`);
    const [sent, delivered, attempt] = [`send ${shop.topic}`, `process ${shop.topic}`, 'POST bank'].map((wanted) =>
      recorded!.spans().find(({ name }) => name === wanted)!,
    );
    expect(delivered!.parentSpanContext?.spanId).toBe(sent!.spanContext().spanId);
    expect(attempt!.spanContext().traceId).toBe(sent!.spanContext().traceId);
    await worker.close();

    await using child = startProcess<never>('src/cli/main.ts', ['worker', '--config', CONFIG, '--metrics-port', '0'], {
      env: { ...shop.env, CHECKBACK_ROCKETMQ_NAMESRV: useStack().namesrvAddress! },
    });
    const address = (): string => {
      const line = child
        .saidToStderr()
        .split('\n')
        .find((text) => text.includes('"metrics and health"'));
      return `http://127.0.0.1:${line === undefined ? 0 : (JSON.parse(line) as { port: number }).port}`;
    };
    const ask = (path: string) =>
      fetch(address() + path).then(
        async (response) => ({ status: response.status, text: await response.text() }),
        () => ({ status: 0, text: '' }),
      );
    const metrics = async (): Promise<string> => (await ask('/metrics')).text;
    await expect.poll(async () => (await ask('/readyz')).status, PATIENCE).toBe(200);
    await publisher.publish(shop.placeOrder, anOrder('metered'));
    await expect.poll(metrics, PATIENCE).toMatch(/^checkback_deliveries_total\{listener="[^"]+",topic="[^"]+",disposition="ack"\} \d+$/m);
    // Read from the broker and the database, which may take a while on a busy machine.
    await expect.poll(metrics, PATIENCE).toMatch(/^checkback_consumer_lag\{[^}]*\} 0$/m);
    await expect.poll(metrics, PATIENCE).toMatch(/^checkback_calls_open\{state="unknown"\} 0$/m);
    await expect.poll(metrics, PATIENCE).toMatch(/^checkback_sagas_open\{state="parked"\} 0$/m);
    child.kill('SIGTERM');
    expect((await child.ended).how).toBe(0);
  });
});
