import type { EntityManager } from '@mikro-orm/core';
import { vi } from 'vitest';
import type { OutgoingMessage, ReceivedMessage } from '../../../src/broker/message.ts';
import type { Producer } from '../../../src/broker/producer.ts';
import { CallRejectedError, CheckbackError, ReadTimeoutError, UnknownOutcomeError } from '../../../src/errors.ts';
import { defineExternalCall, type ExternalCall } from '../../../src/gateway/external-call.ts';
import type { CallOptions, CallOutcome, Gateway } from '../../../src/gateway/gateway.ts';
import type { StatusAnswer, StatusCheck } from '../../../src/gateway/status-check.ts';
import type { Logger } from '../../../src/shared/logger.ts';
import { type StatusCheckDiagnostics, onStatusCheckEvent } from '../../../src/status-check/diagnostics.ts';
import { keepUnknownOutcomes } from '../../../src/status-check/keep-unknown-outcome.ts';
import { startStatusChecker } from '../../../src/status-check/status-checker.ts';
import type { StatusCheckerOptions } from '../../../src/status-check/status-checker-options.ts';
import { applyOutcome } from '../../../src/worker/apply-outcome.ts';
import { decodeMessage } from '../../../src/worker/decode-message.ts';
import { defineMessageListener, type MessageListenerDefinition } from '../../../src/worker/message-listener.ts';
import { InMemoryConsumer } from '../../support/in-memory-consumer.ts';
import { InMemoryExternalCallStore, type StoredCall } from '../../support/in-memory-external-call-store.ts';
import { ManualClock } from '../../worker/support/manual-clock.ts';
import { InMemoryStatusCheckStore } from './in-memory-status-check-store.ts';

export interface Order {
  readonly orderId: string;
}

export const MINUTE = 60_000;

/** What the institution answers to a question: an answer, an error that ends it PENDING or UNKNOWN, or one that is thrown. */
export type Script = StatusAnswer<unknown> | CheckbackError | { readonly thrown: unknown };

/** A gateway whose calls end as a test says, on the rows of an in-memory store. */
export class FakeInstitution implements Pick<Gateway, 'call'> {
  readonly questions: { readonly key: string; readonly at: number; readonly input: unknown }[] = [];
  readonly repeats: { readonly key: string; readonly at: number; readonly options: CallOptions<unknown> }[] = [];
  /** Used up from the front; the last one stays. */
  answers: Script[] = [new ReadTimeoutError('silence')];
  /** What the call itself ends as when it is made again. */
  outcome: CallOutcome<unknown> = { status: 'SUCCESS', response: { paymentId: 'again' }, httpStatus: 201, replayed: false };
  /** Awaited before every question is answered. */
  gate: (signal: AbortSignal | undefined) => Promise<void> = async () => {};
  /** Runs before the call itself is made again. */
  beforeRepeat: () => void = () => {};
  readonly #calls: InMemoryExternalCallStore;

  constructor(calls: InMemoryExternalCallStore) {
    this.#calls = calls;
  }

  async call<I, R>(definition: ExternalCall<I, R>, input: I, options: CallOptions<R>): Promise<CallOutcome<R>> {
    const at = this.#calls.now();
    const { idempotencyKey: key, signal } = options;
    if (definition.name !== 'charge') {
      this.questions.push({ key, at, input });
      await this.gate(signal);
      const answer = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
      if ('thrown' in answer) throw answer.thrown;
      if (!(answer instanceof CheckbackError)) return { status: 'SUCCESS', response: answer as R, httpStatus: 200, replayed: false };
      if (answer.acted !== 'no') return { status: 'UNKNOWN', error: answer, replayed: false };
      return { status: 'PENDING', error: answer, retryAfterMs: (answer as { retryAfterMs?: number }).retryAfterMs, attempt: 1 };
    }
    this.repeats.push({ key, at, options: options as unknown as CallOptions<unknown> });
    this.beforeRepeat();
    const row = this.#calls.calls.get(`charge ${key}`)!;
    if (row.status !== 'PENDING') {
      if (row.status === 'UNKNOWN') return { status: 'UNKNOWN', error: new UnknownOutcomeError('on record'), replayed: true };
      return endAs<R>(row.status, true);
    }
    const outcome = this.outcome as CallOutcome<R>;
    if (outcome.status === 'SUCCESS' || outcome.status === 'FAIL') await options.apply?.(undefined as unknown as EntityManager, outcome);
    row.status = outcome.status;
    return outcome;
  }
}

const endAs = <R>(status: 'SUCCESS' | 'FAIL', replayed: boolean): CallOutcome<R> =>
  status === 'SUCCESS'
    ? { status, response: undefined as R, httpStatus: 0, replayed }
    : { status, error: new CallRejectedError('on record'), httpStatus: 0, response: undefined, replayed };

export const harness = () => {
  const clock = new ManualClock();
  const calls = new InMemoryExternalCallStore(() => clock.now());
  const store = new InMemoryStatusCheckStore(calls);
  const gateway = new FakeInstitution(calls);
  const timers = new InMemoryConsumer({ clock, topic: 'status-checks', group: 'checkers' });
  const lines: { level: keyof Logger; fields: Record<string, unknown>; message: string }[] = [];
  const log =
    (level: keyof Logger) =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields: fields as Record<string, unknown>, message });
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  const onSuccess = vi.fn(async (_em: unknown, _end: { response: unknown }) => {});
  const onFail = vi.fn(async (_em: unknown, _end: { error: unknown; response: unknown }) => {});
  const sent: { message: OutgoingMessage; delayMs: number | undefined }[] = [];
  const producer: Producer = {
    send: vi.fn(async (message: OutgoingMessage, { delayMs }: { delayMs?: number | undefined } = {}) => {
      sent.push({ message, delayMs });
      return { messageId: 't1' };
    }),
    close: async () => {},
  };

  const listener = ({
    statusCheck = {},
    ...changes
  }: Partial<MessageListenerDefinition<Order, Order, unknown>> & { statusCheck?: Partial<StatusCheck<Order, unknown>> | undefined } = {}) =>
    defineMessageListener<Order, Order, unknown>({
      name: 'charge-payment',
      topic: 'orders',
      group: 'payments',
      call: defineExternalCall<Order, unknown>({
        name: 'charge',
        origin: 'bank',
        method: 'POST',
        path: '/payments',
        statusCheck: { path: (_, key) => `/payments/${key}`, interpret: () => undefined, ...statusCheck },
      }),
      input: ({ payload }) => payload,
      idempotencyKey: ({ payload }) => payload.orderId,
      onSuccess,
      onFail,
      ...changes,
    });
  const message = (key: string): ReceivedMessage => ({
    topic: 'orders',
    tag: 'placed',
    keys: [key],
    properties: { 'checkback-correlation-id': `c-${key}` },
    body: new TextEncoder().encode(JSON.stringify({ orderId: key })),
    messageId: `m-${key}`,
    deliveryAttempt: 1,
    bornAt: new Date(clock.now()),
  });

  return {
    clock,
    calls,
    store,
    gateway,
    timers,
    lines,
    logger,
    onSuccess,
    onFail,
    sent,
    producer,
    listener,
    message,
    worker: { applyOutcome, decodeMessage },
    /** The call's own row, as a worker leaves it. */
    row: (key: string, status: StoredCall['status'] = 'UNKNOWN'): StoredCall => {
      const row: StoredCall = {
        callId: calls.calls.size + 1,
        status,
        attempts: 1,
        fence: undefined,
        leaseUntil: 0,
        notBefore: 0,
        errorCode: 'CB_READ_TIMEOUT',
        requests: [],
        responses: new Map(),
      };
      calls.calls.set(`charge ${key}`, row);
      return row;
    },
    /** What a worker does before its ack. */
    keep: (key: string, of = listener(), error: unknown = new ReadTimeoutError('silence')): Promise<void> =>
      keepUnknownOutcomes({ store, timers: { producer, topic: 'status-checks' }, logger })(of, message(key), key, error),
    start: (options: Partial<StatusCheckerOptions> = {}) =>
      startStatusChecker({
        store,
        calls,
        gateway,
        worker: { applyOutcome, decodeMessage },
        listeners: [listener()],
        logger,
        clock,
        random: () => 0.5,
        ...options,
      }),
  };
};

/** Everything told under a name from now on, until `stop`. */
export const eventsOf = <Name extends keyof StatusCheckDiagnostics>(name: Name) => {
  const events: StatusCheckDiagnostics[Name][] = [];
  const stop = onStatusCheckEvent(name, (event) => void events.push(event));
  return { events, stop };
};
