import type { ExternalCall } from '../../../src/gateway/external-call.ts';
import type { Logger } from '../../../src/shared/logger.ts';
import { defineMessageListener } from '../../../src/worker/message-listener.ts';
import type { MessageListener, MessageListenerDefinition } from '../../../src/worker/message-listener.ts';
import { startWorker } from '../../../src/worker/worker.ts';
import type { WorkerOptions } from '../../../src/worker/worker-options.ts';
import type { Worker } from '../../../src/worker/worker.ts';
import { InMemoryConsumer } from '../../support/in-memory-consumer.ts';
import type { InMemoryConsumerOptions } from '../../support/in-memory-consumer.ts';
import { ManualClock } from './manual-clock.ts';
import { ScriptedGateway } from './scripted-gateway.ts';

export interface Order {
  readonly orderId: string;
}

/** The worker never looks into a call's definition; the gateway does. */
export const chargeCall = { name: 'charge', origin: 'bank' } as unknown as ExternalCall<Order, unknown>;

export const orderListener = (
  changes: Partial<MessageListenerDefinition<Order, Order, unknown>> = {},
): MessageListener<Order, Order, unknown> =>
  defineMessageListener<Order, Order, unknown>({
    name: 'charge-payment',
    topic: 'orders',
    group: 'payments',
    call: chargeCall,
    input: ({ payload }) => payload,
    idempotencyKey: ({ payload }) => payload.orderId,
    ...changes,
  });

export interface Harness {
  readonly clock: ManualClock;
  readonly consumer: InMemoryConsumer;
  readonly gateway: ScriptedGateway;
  readonly lines: { level: keyof Logger; fields: Record<string, unknown>; message: string }[];
  /** Another worker of the same group, with a gateway of its own if given. */
  start(options?: Partial<WorkerOptions> & { listener?: MessageListener<Order, Order, unknown> }): Worker;
}

export const harness = (options: Partial<InMemoryConsumerOptions> = {}): Harness => {
  const clock = new ManualClock();
  const consumer = new InMemoryConsumer({ clock, ...options });
  const gateway = new ScriptedGateway();
  const lines: Harness['lines'] = [];
  const log =
    (level: keyof Logger) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields: fields as Record<string, unknown>, message });
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  return {
    clock,
    consumer,
    gateway,
    lines,
    start: ({ listener = orderListener(), ...rest } = {}) =>
      startWorker({ consumers: [{ listener, consumer }], gateway, logger, clock, random: () => 0.5, ...rest }),
  };
};
