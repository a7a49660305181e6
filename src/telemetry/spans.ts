import { AsyncLocalStorage } from 'node:async_hooks';
import { type Attributes, type Context, context, type Span, type SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';
import { CheckbackError } from '../errors.ts';
import type { Around } from '../shared/operation-channels.ts';

export interface SpanRequest {
  readonly name: string;
  readonly kind: SpanKind;
  readonly attributes: Attributes;
  readonly parent: Context;
}

/**
 * Spans around operations. The span is the active one of OpenTelemetry while its operation runs, where the application
 * has registered a context manager; without one the spans of the engine find each other all the same.
 */
export class Spans {
  readonly #tracer: Tracer;
  readonly #own = new AsyncLocalStorage<Context>();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  /** What a new span is under: the application's active span, else ours. */
  active(): Context {
    const active = context.active();
    const own = this.#own.getStore();
    if (own === undefined || trace.getSpan(active) !== undefined) return active;
    return own;
  }

  /** The engine's own span that is running here. */
  current(): Span | undefined {
    const own = this.#own.getStore();
    return own && trace.getSpan(own);
  }

  /** Starts a span, and gives what to put around the operation that it is of. */
  around({ name, kind, attributes, parent }: SpanRequest, begun: (span: Span) => void = () => {}): Around {
    const span = this.#tracer.startSpan(name, { kind, attributes }, parent);
    begun(span);
    const inside = trace.setSpan(parent, span);
    return (work) => {
      const running = this.#own.run(inside, () => context.with(inside, work));
      running.then(
        () => span.end(),
        (error: unknown) => {
          fail(span, error);
          span.end();
        },
      );
      return running;
    };
  }
}

/** An error by its code alone: its message may quote what it failed on. */
export function fail(span: Span, error: unknown): void {
  const code = error instanceof CheckbackError ? error.code : 'error';
  span.setAttribute('error.type', code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: code });
}
