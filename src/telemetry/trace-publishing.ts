import { type Attributes, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { onTransactionEvent, onTransactionOperation } from '../transaction/diagnostics.ts';
import type { Spans } from './spans.ts';
import { extractTrace, injectTrace } from './trace-context.ts';

/** https://opentelemetry.io/docs/specs/semconv/messaging/rocketmq/ */
export const messaging = (operation: string, type: string, topic: string, correlationId: string | undefined): Attributes => ({
  'messaging.system': 'rocketmq',
  'messaging.operation.name': operation,
  'messaging.operation.type': type,
  'messaging.destination.name': topic,
  ...(correlationId === undefined ? {} : { 'messaging.message.conversation_id': correlationId }),
});

/** A span for each publish() and each check-back, and the trace context of what a publish() sends. */
export function tracePublishing(spans: Spans): (() => void)[] {
  return [
    onTransactionOperation('publish', ({ listener, topic, correlationId, trace }) =>
      spans.around(
        {
          name: `send ${topic}`,
          kind: SpanKind.PRODUCER,
          attributes: {
            ...messaging('send', 'send', topic, correlationId),
            'messaging.rocketmq.message.type': 'transaction',
            'checkback.listener': listener,
          },
          // What the caller names is the parent; else what is active where it calls.
          parent: extractTrace(trace, spans.active()),
        },
        (span) => injectTrace(span.spanContext(), trace),
      ),
    ),
    onTransactionEvent('half-sent', ({ transactionId, messages }) => {
      const span = spans.current();
      span?.setAttribute('checkback.transaction_id', transactionId);
      span?.addEvent('half message stored', { 'checkback.messages': messages });
    }),
    onTransactionEvent('committed', ({ transactionId }) => {
      const span = spans.current();
      span?.setAttribute('checkback.transaction_id', transactionId);
      span?.addEvent('local transaction committed');
    }),
    onTransactionEvent('rolled-back', ({ reason }) =>
      spans.current()?.addEvent('local transaction rolled back', { 'checkback.reason': reason }),
    ),
    onTransactionEvent('in-doubt', () => spans.current()?.addEvent('local transaction in doubt')),
    onTransactionOperation('check-back', ({ listener, topic, transactionId, correlationId, round, trace }) =>
      spans.around({
        name: `check ${topic}`,
        kind: SpanKind.CONSUMER,
        attributes: {
          ...messaging('check', 'process', topic, correlationId),
          'checkback.listener': listener,
          'checkback.transaction_id': transactionId,
          'checkback.check_round': round,
        },
        parent: extractTrace(trace, spans.active()),
      }),
    ),
    onTransactionEvent('checked', ({ resolution }) => {
      const span = spans.current();
      span?.setAttribute('checkback.resolution', resolution);
      if (resolution === 'UNKNOWN') span?.setStatus({ code: SpanStatusCode.ERROR, message: 'UNKNOWN' });
    }),
  ];
}
