import { type Context, createTraceState, isSpanContextValid, type SpanContext, trace } from '@opentelemetry/api';
import type { TraceCarrier } from '../shared/operation-channels.ts';

/** https://www.w3.org/TR/trace-context/#traceparent-header; what a later version appends is not ours to read. */
const TRACEPARENT = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;

/** `context` with the remote span that a message names as its parent; as it was when it names none that is valid. */
export function extractTrace(carrier: TraceCarrier, context: Context): Context {
  const [, version, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(carrier.traceparent ?? '') ?? [];
  if (version === undefined || version === 'ff') return context;
  const span: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & 1,
    isRemote: true,
    ...(carrier.tracestate ? { traceState: createTraceState(carrier.tracestate) } : {}),
  };
  return isSpanContextValid(span) ? trace.setSpanContext(context, span) : context;
}

/** Writes a span into what travels with a message; leaves it as it was when there is no valid span. */
export function injectTrace(span: SpanContext, carrier: TraceCarrier): void {
  if (!isSpanContextValid(span)) return;
  carrier.traceparent = `00-${span.traceId}-${span.spanId}-${(span.traceFlags & 1).toString().padStart(2, '0')}`;
  const state = span.traceState?.serialize();
  if (state) carrier.tracestate = state;
  else delete carrier.tracestate;
}
