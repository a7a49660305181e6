import { type Span, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { PhaseTimes, TimeoutPhase } from '../gateway/exchange.ts';
import { onGatewayEvent, onGatewayOperation } from '../gateway/gateway-events.ts';
import { onSagaEvent, onSagaOperation } from '../saga/saga-diagnostics.ts';
import { onStatusCheckEvent, onStatusCheckOperation } from '../status-check/diagnostics.ts';
import { onWorkerEvent, onWorkerOperation } from '../worker/diagnostics.ts';
import type { Spans } from './spans.ts';
import { extractTrace } from './trace-context.ts';
import { messaging } from './trace-publishing.ts';

/** A span for each delivery, attempt at a call, status check and step of a saga, under the trace their message carries. */
export function traceConsuming(spans: Spans): (() => void)[] {
  return [
    onWorkerOperation('delivery', ({ listener, topic, group, messageId, correlationId, deliveryAttempt, trace }) =>
      spans.around({
        name: `process ${topic}`,
        kind: SpanKind.CONSUMER,
        attributes: {
          ...messaging('process', 'process', topic, correlationId),
          'messaging.consumer.group.name': group,
          'messaging.message.id': messageId,
          'checkback.listener': listener,
          'checkback.delivery_attempt': deliveryAttempt,
        },
        parent: extractTrace(trace, spans.active()),
      }),
    ),
    onWorkerEvent('settled', ({ disposition }) => {
      const span = spans.current();
      span?.setAttribute('checkback.disposition', disposition);
      if (disposition !== 'ack' && disposition !== 'handBack') span?.setStatus({ code: SpanStatusCode.ERROR, message: disposition });
    }),
    ...traceCalls(spans),
    onStatusCheckOperation('check', ({ listener, callName, correlationId, trace }) =>
      spans.around({
        name: `check ${callName}`,
        kind: SpanKind.INTERNAL,
        attributes: { 'checkback.listener': listener, 'checkback.call': callName, 'messaging.message.conversation_id': correlationId },
        parent: extractTrace(trace, spans.active()),
      }),
    ),
    onStatusCheckEvent('asked', ({ said }) => spans.current()?.addEvent('institution asked', { 'checkback.said': said })),
    onStatusCheckEvent('resolved', ({ outcome }) => spans.current()?.setAttribute('checkback.outcome', outcome)),
    onStatusCheckEvent('review', ({ reason }) => spans.current()?.addEvent('put before a person', { 'checkback.reason': reason })),
    onSagaOperation('step', ({ sagaId, saga, step, direction, attempt, correlationId, trace }) =>
      spans.around({
        name: `saga ${saga} ${step}`,
        kind: SpanKind.INTERNAL,
        attributes: {
          'checkback.saga': saga,
          'checkback.saga_id': sagaId,
          'checkback.step': step,
          'checkback.direction': direction,
          'checkback.attempt': attempt,
          'messaging.message.conversation_id': correlationId,
        },
        parent: extractTrace(trace, spans.active()),
      }),
    ),
    onSagaEvent('compensating', () => spans.current()?.addEvent('saga compensates')),
    onSagaEvent('parked', () => spans.current()?.setStatus({ code: SpanStatusCode.ERROR, message: 'parked' })),
  ];
}

/** https://opentelemetry.io/docs/specs/semconv/http/http-spans/, without the URL: paths and queries hold what is masked elsewhere. */
function traceCalls(spans: Spans): (() => void)[] {
  const startedAt = new WeakMap<Span, number>();
  return [
    onGatewayOperation('attempt', ({ origin, call, attempt, method, correlationId }) =>
      spans.around(
        {
          name: `${method} ${origin}`,
          kind: SpanKind.CLIENT,
          attributes: {
            'http.request.method': method,
            ...(attempt > 1 ? { 'http.request.resend_count': attempt - 1 } : {}),
            'peer.service': origin,
            'checkback.call': call,
            'messaging.message.conversation_id': correlationId,
          },
          parent: spans.active(),
        },
        (span) => void startedAt.set(span, Date.now()),
      ),
    ),
    onGatewayEvent('attempt-closed', ({ status, httpStatus, errorCode, failedPhase, times }) => {
      const span = spans.current();
      if (!span?.isRecording()) return;
      span.setAttribute('checkback.outcome', status);
      if (httpStatus !== undefined) span.setAttribute('http.response.status_code', httpStatus);
      if (failedPhase !== undefined) span.setAttribute('checkback.failed_phase', failedPhase);
      if (status !== 'SUCCESS') {
        const type = errorCode ?? status;
        span.setAttribute('error.type', type);
        span.setStatus({ code: SpanStatusCode.ERROR, message: type });
      }
      addPhases(span, times, failedPhase, startedAt.get(span) ?? Date.now() - times.totalMs);
    }),
  ];
}

/** What each phase ended with; the phase that failed ended with nothing. */
function addPhases(span: Span, times: PhaseTimes, failed: TimeoutPhase | undefined, startedAt: number): void {
  const phases = [
    ['connected', times.connectMs, 'connect'],
    ['request sent', times.writeMs, 'write'],
    ['response headers', times.headersMs, 'read'],
    ['response complete', times.bodyMs, 'read'],
  ] as const;
  let at = startedAt;
  for (const [index, [name, ms, phase]] of phases.entries()) {
    if (ms === undefined) return;
    at += ms;
    const isLast = phases[index + 1]?.[1] === undefined;
    span.addEvent(phase === failed && isLast ? `${phase} failed` : name, { 'checkback.phase_ms': ms }, new Date(at));
  }
}
