import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { createGateway } from '../src/gateway/gateway.ts';
import { startTelemetry } from '../src/telemetry/start-telemetry.ts';
import { openFullStack } from './full-stack.ts';
import { startBank } from './gateway/bank.ts';
import { freshKey, PAYMENT, payOrder } from './gateway/call.ts';
import { noStorage } from './gateway/no-storage.ts';
import { closedLoop, type Order } from './load/loops.ts';
import { interleave, measured, ratios } from './measure.ts';
import { VARIANTS } from './publish/variants.ts';
import type { Measured, Section } from './section.ts';

const IN_FLIGHT = 64;
const TOPIC = 'bench-telemetry';

/** What listens to the engine's events during a round. `silent`: metrics and traces are on, and nobody takes them. */
const LISTENING = {
  off: () => ({ close() {} }),
  silent: () => startTelemetry(),
  metrics: () => startTelemetry({ meterProvider: new MeterProvider() }),
  everySpan: () => startTelemetry({ meterProvider: new MeterProvider(), tracerProvider: new TracerProvider() }),
} satisfies Record<string, () => { close(): void }>;

/** What metrics and traces cost an order and a call: processor time of the process, with them over without them. */
export const benchTelemetry: Section = async (options) => {
  const { isQuick } = options;
  const repeats = isQuick ? 3 : 15;
  const sizes = isQuick ? { orders: 100, calls: 300 } : { orders: 1_500, calls: 15_000 };
  const stack = await openFullStack(options);
  const closers: (() => Promise<unknown>)[] = [() => stack.close()];
  try {
    await stack.admin.createTopic(TOPIC, 'TRANSACTION', { queues: 8 });
    const { endpoints, databaseUrl } = stack;
    const publishing = await VARIANTS.publishSql({ variant: 'publishSql', endpoints, databaseUrl, topic: TOPIC, connections: IN_FLIGHT });
    closers.push(() => publishing.close());
    const bank = await startBank();
    closers.push(bank.close);
    const gateway = createGateway({ origins: { bank: { url: bank.origin, maxConnections: IN_FLIGHT } }, store: noStorage });
    closers.push(() => gateway.close());
    const call = (): Promise<unknown> => {
      const key = freshKey();
      return gateway.call(payOrder, PAYMENT, { idempotencyKey: key, correlationId: key });
    };

    const round = (mode: keyof typeof LISTENING, count: number, one: Order, settle = async (): Promise<void> => {}) => {
      return async (): Promise<number> => {
        const telemetry = LISTENING[mode]();
        const before = process.cpuUsage();
        const { failed } = await closedLoop(one, IN_FLIGHT, count);
        if (failed > 0) throw new Error(`${failed} of ${count} failed: what they cost says nothing`);
        await settle();
        const { user, system } = process.cpuUsage(before);
        telemetry.close();
        return (user + system) / count;
      };
    };
    const modes = Object.keys(LISTENING) as (keyof typeof LISTENING)[];
    const compare = (count: number, one: Order, settle?: () => Promise<void>): Promise<Record<string, number[]>> =>
      interleave(Object.fromEntries(modes.map((mode) => [mode, round(mode, count, one, settle)])), {
        repeats,
        warmUps: 2,
        signal: options.signal,
        onRound: (line) => options.say(`µs of processor time: ${line}`),
      });
    const publish = await compare(sizes.orders, publishing.order, publishing.settle);
    const calls = await compare(sizes.calls, call);
    const over = (seen: Record<string, number[]>, mode: string): Measured => ratios(seen[mode]!, seen['off']!);
    const [publishOver, gatewayOver] = [over(publish, 'silent'), over(calls, 'silent')];
    return {
      headline: { publishOverhead: publishOver.median, gatewayOverhead: gatewayOver.median },
      conditions: { ...stack.facts, inFlight: IN_FLIGHT, ordersARound: sizes.orders, callsARound: sizes.calls, process: 'one' },
      measured: Object.fromEntries([
        ...modes.map((mode) => [`publish ${mode}`, measured('µs/order', publish[mode]!)] as const),
        ...modes.map((mode) => [`gateway ${mode}`, measured('µs/call', calls[mode]!)] as const),
        ...modes.slice(1).map((mode) => [`publish with ${mode}, over off`, over(publish, mode)] as const),
        ...modes.slice(1).map((mode) => [`gateway with ${mode}, over off`, over(calls, mode)] as const),
      ]),
    };
  } finally {
    for (const closer of closers.toReversed()) await closer();
  }
};
