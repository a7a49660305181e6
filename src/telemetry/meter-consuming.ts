import { onDeadLetterEvent } from '../dead-letter/diagnostics.ts';
import { onGatewayEvent, onGatewayOperation } from '../gateway/gateway-events.ts';
import { onSagaEvent, onSagaOperation } from '../saga/saga-diagnostics.ts';
import { onStatusCheckEvent } from '../status-check/diagnostics.ts';
import { onWorkerEvent, onWorkerOperation } from '../worker/diagnostics.ts';
import type { Measure } from './instruments.ts';
import { timed } from './timed.ts';

/** Counts and times what workers, gateways, status checks, sagas and dead letters tell; returns how to stop, one function each. */
export function meterConsuming(measure: Measure): (() => void)[] {
  return [...meterDeliveries(measure), ...meterCalls(measure), ...meterSagas(measure)];
}

function meterDeliveries(measure: Measure): (() => void)[] {
  const letters = 'checkback.dead_letters';
  return [
    onWorkerOperation('delivery', ({ listener, topic, deliveryAttempt, bornAt }) => {
      const labels = { listener, topic };
      measure('checkback.deliveries.in_flight', 1, labels);
      if (deliveryAttempt === 1 && bornAt !== undefined)
        measure('checkback.delivery.lag.seconds', Math.max(0, Date.now() - bornAt.getTime()) / 1_000, labels);
      return timed((seconds) => {
        measure('checkback.deliveries.in_flight', -1, labels);
        measure('checkback.delivery.duration.seconds', seconds, labels);
      });
    }),
    onWorkerEvent('settled', ({ listener, topic, disposition }) => measure('checkback.deliveries', 1, { listener, topic, disposition })),
    onWorkerEvent('lease-lost', ({ listener, topic }) => measure('checkback.leases.lost', 1, { listener, topic })),
    onWorkerEvent('paused', ({ listener, topic }) => measure('checkback.listener.paused', 1, { listener, topic })),
    onWorkerEvent('resumed', ({ listener, topic }) => measure('checkback.listener.paused', -1, { listener, topic })),
    onDeadLetterEvent('kept', ({ topic }) => measure(letters, 1, { topic, action: 'kept' })),
    onDeadLetterEvent('replayed', ({ topic }) => measure(letters, 1, { topic, action: 'replayed' })),
    onDeadLetterEvent('discarded', ({ topic }) => measure(letters, 1, { topic, action: 'discarded' })),
    onDeadLetterEvent('resolved', ({ topic }) => measure(letters, 1, { topic, action: 'resolved' })),
  ];
}

function meterCalls(measure: Measure): (() => void)[] {
  return [
    onGatewayOperation('attempt', ({ origin, call }) =>
      timed((seconds) => measure('checkback.call.attempt.duration.seconds', seconds, { origin, call })),
    ),
    onGatewayEvent('attempt-closed', ({ origin, call, status, errorCode, failedPhase, times }) => {
      measure('checkback.call.attempts', 1, { origin, call, outcome: status, error: errorCode ?? '', phase: failedPhase ?? '' });
      const { connectMs, writeMs, headersMs, bodyMs } = times;
      const phaseTook = (phase: string, ms: number | undefined): void => {
        if (ms !== undefined) measure('checkback.call.phase.duration.seconds', ms / 1_000, { origin, call, phase });
      };
      phaseTook('connect', connectMs);
      phaseTook('write', writeMs);
      phaseTook('headers', headersMs);
      phaseTook('body', bodyMs);
    }),
    onGatewayEvent('circuit-changed', ({ origin, state }) => measure('checkback.circuit.changes', 1, { origin, state })),
    onGatewayEvent('throttled', ({ origin, limit }) => measure('checkback.call.throttled', 1, { origin, limit })),
    onGatewayEvent('retry-budget-exhausted', ({ origin }) => measure('checkback.call.retry_budget_exhausted', 1, { origin })),
    onStatusCheckEvent('asked', ({ callName: call, said }) => measure('checkback.status_checks', 1, { call, said })),
    onStatusCheckEvent('resolved', ({ callName: call, outcome, through }) =>
      measure('checkback.status_checks.resolved', 1, { call, outcome, through }),
    ),
    onStatusCheckEvent('review', ({ callName: call, reason }) => measure('checkback.status_checks.review', 1, { call, reason })),
  ];
}

function meterSagas(measure: Measure): (() => void)[] {
  const happened = (['started', 'compensating', 'completed', 'compensated', 'parked'] as const).map((event) =>
    onSagaEvent(event, ({ saga }) => measure('checkback.sagas', 1, { saga, event })),
  );
  return [
    ...happened,
    onSagaOperation('step', ({ saga, step, direction }) =>
      timed((seconds) => measure('checkback.saga.step.duration.seconds', seconds, { saga, step, direction })),
    ),
  ];
}
