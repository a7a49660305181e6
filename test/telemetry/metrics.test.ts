import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emitCaptureEvent } from '../../src/change-data-capture/diagnostics.ts';
import { emitDeadLetterEvent } from '../../src/dead-letter/diagnostics.ts';
import { LocalTransactionError, TransactionInDoubtError } from '../../src/errors.ts';
import { emitGatewayEvent, runGatewayOperation } from '../../src/gateway/gateway-events.ts';
import { emitOutboxEvent } from '../../src/outbox/diagnostics.ts';
import { emitSagaEvent, runSagaOperation } from '../../src/saga/saga-diagnostics.ts';
import { emitSegmentedLogEvent } from '../../src/segmented-log/diagnostics.ts';
import { emitStatusCheckEvent } from '../../src/status-check/diagnostics.ts';
import { EVENT_METRICS, type EventMetric } from '../../src/telemetry/metric-list.ts';
import { emitTransactionEvent, runTransactionOperation } from '../../src/transaction/diagnostics.ts';
import { emitWorkerEvent, runWorkerOperation } from '../../src/worker/diagnostics.ts';
import { type Recorded, recordTelemetry } from './support/recorded-telemetry.ts';

const transaction = { transactionId: 'tx-1', correlationId: 'c-1', listener: 'place-order', topic: 'orders' };
const listening = { listener: 'pay', topic: 'orders', group: 'payments' };
const delivery = { ...listening, messageId: 'm-1', correlationId: 'c-1', deliveryAttempt: 1 };
const call = { origin: 'bank', call: 'pay-order', idempotencyKey: 'key-1', correlationId: 'c-1' };
const check = { listener: 'pay', callName: 'pay-order', idempotencyKey: 'key-1', correlationId: 'c-1' };
const saga = { sagaId: 's-1', saga: 'booking', version: 1, correlationId: 'c-1' };
const letter = { ...listening, id: 1, messageId: 'm-1' };
const outbox = { relay: 'r', id: 1, transactionId: 'tx-1', correlationId: 'c-1', topic: 'orders' };
const logged = { ...outbox, directory: 'd', number: 1 };
const captured = { name: 'capture', transactionId: 'tx-1', correlationId: 'c-1', topic: 'orders' };
const times = { connectMs: 1, writeMs: 2, headersMs: 3, bodyMs: 4, totalMs: 10 };
const error = new Error('no');
const publish = { listener: 'place-order', topic: 'orders', correlationId: undefined };
const rejecting = (thrown: Error) => () =>
  runTransactionOperation(
    'publish',
    () => ({ ...publish, trace: {} }),
    () => Promise.reject(thrown),
  ).catch(() => {});

/** Each metric: what moves it, by how much, under which labels. */
const MOVES: Record<EventMetric, [what: () => unknown, by: number, labels: Record<string, string>][]> = {
  'checkback.publish.duration.seconds': [
    [
      () =>
        runTransactionOperation(
          'publish',
          () => ({ ...publish, trace: {} }),
          async () => {},
        ),
      1,
      { topic: 'orders', outcome: 'committed' },
    ],
    [rejecting(new LocalTransactionError('no', { reason: 'threw' })), 1, { topic: 'orders', outcome: 'rolled_back' }],
    [rejecting(new TransactionInDoubtError('no', { transactionId: 'tx-1' })), 1, { topic: 'orders', outcome: 'in_doubt' }],
    [rejecting(error), 1, { topic: 'orders', outcome: 'refused' }],
  ],
  'checkback.half_messages.sent': [[() => emitTransactionEvent('half-sent', { ...transaction, messages: 3 }), 3, { topic: 'orders' }]],
  'checkback.transactions': [
    [() => emitTransactionEvent('committed', transaction), 1, { topic: 'orders', outcome: 'committed' }],
    [() => emitTransactionEvent('rolled-back', { ...transaction, reason: 'declined' }), 1, { outcome: 'rolled_back', reason: 'declined' }],
    [() => emitTransactionEvent('in-doubt', { ...transaction, error }), 1, { topic: 'orders', outcome: 'in_doubt' }],
  ],
  'checkback.ends': [
    [() => emitTransactionEvent('ended', { ...transaction, resolution: 'COMMIT' }), 1, { resolution: 'COMMIT', result: 'handed_over' }],
    [
      () => emitTransactionEvent('end-failed', { ...transaction, resolution: 'ROLLBACK', error }),
      1,
      { resolution: 'ROLLBACK', result: 'failed' },
    ],
  ],
  'checkback.check_backs': (
    [
      [1, '1'],
      [2, '2'],
      [5, '3-5'],
      [6, '6-10'],
      [900, '11+'],
    ] as const
  ).map(([round, label]) => [
    () => emitTransactionEvent('checked', { ...transaction, resolution: 'UNKNOWN', round, ageMs: 1 }),
    1,
    { topic: 'orders', resolution: 'UNKNOWN', round: label },
  ]),
  'checkback.check_back.duration.seconds': [
    [
      () =>
        runTransactionOperation(
          'check-back',
          () => ({ ...transaction, round: 1, trace: {} }),
          async () => 'COMMIT',
        ),
      1,
      { topic: 'orders' },
    ],
  ],
  'checkback.check_backs.budget_low': [
    [
      () => emitTransactionEvent('check-budget-low', { ...transaction, resolution: 'UNKNOWN', round: 10, ageMs: 1 }),
      1,
      { topic: 'orders' },
    ],
  ],
  'checkback.check_backs.foreign': [
    [() => emitTransactionEvent('foreign-owner', { ...transaction, owner: 'x', round: 1 }), 1, { topic: 'orders' }],
  ],
  'checkback.clock_offsets': [[() => emitTransactionEvent('clock-offset', { topic: 'orders', offsetMs: 20_000 }), 1, { topic: 'orders' }]],
  'checkback.outbox.messages': [
    [
      () => emitOutboxEvent('sent', { ...outbox, messageId: 'm', attempt: 1 }),
      1,
      { strategy: 'pollingOutbox', topic: 'orders', result: 'sent' },
    ],
    [() => emitOutboxEvent('failed', { ...outbox, error, attempt: 1, retryInMs: 1 }), 1, { strategy: 'pollingOutbox', result: 'failed' }],
    [() => emitOutboxEvent('parked', { ...outbox, error }), 1, { strategy: 'pollingOutbox', result: 'parked' }],
    [
      () => emitSegmentedLogEvent('sent', { ...logged, messageId: 'm', attempt: 1 }),
      1,
      { strategy: 'localSegmentedOutbox', result: 'sent' },
    ],
    [() => emitCaptureEvent('sent', { ...captured, messageId: 'm', attempt: 1 }), 1, { strategy: 'changeDataCapture', result: 'sent' }],
    [() => emitCaptureEvent('held', { ...captured, error }), 1, { strategy: 'changeDataCapture', result: 'held' }],
  ],
  'checkback.outbox.lost': [[() => emitSegmentedLogEvent('damaged', { directory: 'd', file: 'f', from: 1, bytes: 1, lost: 2 }), 2, {}]],
  'checkback.outbox.stopped': [
    [() => emitSegmentedLogEvent('broken', { directory: 'd', error }), 1, { strategy: 'localSegmentedOutbox' }],
    [() => emitCaptureEvent('stopped', { name: 'capture', reason: 'ddl' as never, error }), 1, { strategy: 'changeDataCapture' }],
  ],
  'checkback.capture.lag.seconds': [[() => emitCaptureEvent('lag', { name: 'capture', lagMs: 5_000 }), 5, { capture: 'capture' }]],
  'checkback.outbox.leases_lost': [[() => emitOutboxEvent('lease-lost', { relay: 'r', count: 2 }), 2, {}]],
  'checkback.deliveries': [
    [
      () => emitWorkerEvent('settled', { ...delivery, disposition: 'ack', reason: undefined, tookMs: 5 }),
      1,
      { listener: 'pay', disposition: 'ack' },
    ],
    [
      () => emitWorkerEvent('settled', { ...delivery, disposition: 'retry', reason: 'x', tookMs: 5 }),
      1,
      { topic: 'orders', disposition: 'retry' },
    ],
  ],
  // Down again when it has ended; see below.
  'checkback.deliveries.in_flight': [[deliver, 0, { listener: 'pay', topic: 'orders' }]],
  'checkback.delivery.duration.seconds': [[deliver, 1, { listener: 'pay', topic: 'orders' }]],
  'checkback.delivery.lag.seconds': [[deliver, 1, { listener: 'pay', topic: 'orders' }]],
  'checkback.leases.lost': [[() => emitWorkerEvent('lease-lost', { ...delivery, error }), 1, { listener: 'pay' }]],
  'checkback.listener.paused': [
    [() => emitWorkerEvent('paused', { ...listening, origin: 'bank' }), 1, { listener: 'pay', topic: 'orders' }],
    [() => emitWorkerEvent('resumed', { ...listening, origin: 'bank' }), -1, { listener: 'pay', topic: 'orders' }],
  ],
  'checkback.dead_letters': [
    [() => emitDeadLetterEvent('kept', { ...letter, reason: 'BROKER_LIMIT', isNew: true }), 1, { topic: 'orders', action: 'kept' }],
    [() => emitDeadLetterEvent('replayed', { ...letter, by: 'ann', to: 'orders' }), 1, { action: 'replayed' }],
    [() => emitDeadLetterEvent('discarded', { ...letter, by: 'ann', why: undefined }), 1, { action: 'discarded' }],
    [() => emitDeadLetterEvent('resolved', { ...letter, by: 'ann', why: undefined }), 1, { action: 'resolved' }],
  ],
  'checkback.call.attempts': [
    [() => emitGatewayEvent('attempt-closed', closed('SUCCESS')), 1, { origin: 'bank', call: 'pay-order', outcome: 'SUCCESS' }],
    [() => emitGatewayEvent('attempt-closed', closed('UNKNOWN')), 1, { outcome: 'UNKNOWN', error: 'CB_READ_TIMEOUT', phase: 'read' }],
  ],
  'checkback.call.attempt.duration.seconds': [
    [
      () =>
        runGatewayOperation(
          'attempt',
          () => ({ ...call, attempt: 1, method: 'POST' }),
          async () => {},
        ),
      1,
      { origin: 'bank', call: 'pay-order' },
    ],
  ],
  'checkback.call.phase.duration.seconds': (['connect', 'write', 'headers', 'body'] as const).map((phase) => [
    () => emitGatewayEvent('attempt-closed', closed('SUCCESS')),
    1,
    { origin: 'bank', call: 'pay-order', phase },
  ]),
  'checkback.call.throttled': [
    [() => emitGatewayEvent('throttled', { ...call, limit: 'rate', retryAfterMs: 1 }), 1, { origin: 'bank', limit: 'rate' }],
  ],
  'checkback.call.retry_budget_exhausted': [
    [() => emitGatewayEvent('retry-budget-exhausted', { ...call, attempt: 1 }), 1, { origin: 'bank' }],
  ],
  'checkback.circuit.changes': [
    [
      () =>
        emitGatewayEvent('circuit-changed', { origin: 'bank', state: 'open', before: 'closed', sinceMs: 0, nextProbeInMs: 1, failures: 5 }),
      1,
      { origin: 'bank', state: 'open' },
    ],
  ],
  'checkback.status_checks': [
    [
      () => emitStatusCheckEvent('asked', { ...check, said: 'ABSENT', errorCode: undefined, unknownForMs: 1 }),
      1,
      { call: 'pay-order', said: 'ABSENT' },
    ],
  ],
  'checkback.status_checks.resolved': [
    [() => emitStatusCheckEvent('resolved', { ...check, outcome: 'FAIL', through: 'person' }), 1, { outcome: 'FAIL', through: 'person' }],
  ],
  'checkback.status_checks.review': [
    [() => emitStatusCheckEvent('review', { ...check, reason: 'too-old', unknownForMs: 1 }), 1, { call: 'pay-order', reason: 'too-old' }],
  ],
  'checkback.sagas': (['started', 'completed', 'compensating', 'compensated', 'parked'] as const).map((event) => [
    () => emitSagaEvent(event, { ...saga, step: 'a', direction: 'action', error: 'e' }),
    1,
    { saga: 'booking', event },
  ]),
  'checkback.saga.step.duration.seconds': [
    [
      () =>
        runSagaOperation(
          'step',
          () => ({ ...saga, step: 'hotel', direction: 'action', attempt: 1, trace: {} }),
          async () => {},
        ),
      1,
      { saga: 'booking', step: 'hotel', direction: 'action' },
    ],
  ],
};

function deliver(): Promise<void> {
  return runWorkerOperation(
    'delivery',
    () => ({ ...delivery, trace: {}, bornAt: new Date() }),
    async () => {},
  );
}

function closed(status: 'SUCCESS' | 'UNKNOWN') {
  const failure = status === 'SUCCESS' ? [undefined, undefined] : (['CB_READ_TIMEOUT', 'read'] as const);
  return { ...call, attempt: 1, status, httpStatus: undefined, errorCode: failure[0], failedPhase: failure[1], times } as const;
}

describe('Metrics', () => {
  let recorded: Recorded;
  beforeEach(() => {
    recorded = recordTelemetry();
  });
  afterEach(() => recorded.close());

  it.for(Object.entries(MOVES))('%s moves with its event', async ([metric, moves]) => {
    for (const [act, by, labels] of moves) {
      const before = (await recorded.value(metric, labels)) ?? 0;
      await act();
      expect((await recorded.value(metric, labels))! - before, JSON.stringify(labels)).toBe(by);
    }
  });

  it('count what is in flight while it is', async () => {
    const gate = Promise.withResolvers<void>();
    const running = runWorkerOperation(
      'delivery',
      () => ({ ...delivery, trace: {}, bornAt: undefined }),
      () => gate.promise,
    );
    expect(await recorded.value('checkback.deliveries.in_flight', { listener: 'pay' })).toBe(1);
    gate.reject(error);
    await expect(running).rejects.toBe(error);
    expect(await recorded.value('checkback.deliveries.in_flight', { listener: 'pay' })).toBe(0);
  });

  it('have the labels of the list and no others', async () => {
    for (const moves of Object.values(MOVES)) for (const [act] of moves) await act();
    const scopes = JSON.parse(await recorded.metered()) as {
      metrics: { descriptor: { name: string }; dataPoints: { attributes: object }[] }[];
    }[];
    const metrics = scopes.flatMap((scope) => scope.metrics);
    expect(
      metrics
        .filter(({ dataPoints }) => dataPoints.length > 0)
        .map(({ descriptor }) => descriptor.name)
        .toSorted(),
    ).toEqual(Object.keys(EVENT_METRICS).toSorted());
    for (const { descriptor, dataPoints } of metrics) {
      for (const { attributes } of dataPoints)
        expect(Object.keys(attributes).toSorted(), descriptor.name).toEqual(
          [...EVENT_METRICS[descriptor.name as EventMetric].labels].toSorted(),
        );
    }
  });

  it('never hold an id or a key, and put what is beyond a hundred values of a label together', async () => {
    for (const moves of Object.values(MOVES)) for (const [act] of moves) await act();
    expect(await recorded.metered()).not.toMatch(/tx-1|m-1|c-1|key-1|s-1/);
    for (let index = 0; index < 200; index += 1) emitTransactionEvent('clock-offset', { topic: `topic-${index}`, offsetMs: 1 });
    expect(await recorded.value('checkback.clock_offsets', { topic: 'other' })).toBe(101);
    emitTransactionEvent('clock-offset', { topic: 'orders', offsetMs: 1 });
    expect(await recorded.value('checkback.clock_offsets', { topic: 'orders' })).toBe(2);
  });

  it('stand still once telemetry is closed', async () => {
    emitTransactionEvent('clock-offset', { topic: 'quiet', offsetMs: 1 });
    recorded.stop();
    emitTransactionEvent('clock-offset', { topic: 'quiet', offsetMs: 1 });
    expect(await recorded.value('checkback.clock_offsets', { topic: 'quiet' })).toBe(1);
  });
});
