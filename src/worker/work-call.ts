import type { EntityManager } from '@mikro-orm/core';
import type { ReceivedMessage } from '../broker/message.ts';
import { CallThrottledError, CircuitOpenError } from '../errors.ts';
import type { CallOutcome, Gateway } from '../gateway/gateway.ts';
import { applyOutcome } from './apply-outcome.ts';
import type { CallPause } from './call-pause.ts';
import { dispositionOfOutcome } from './disposition.ts';
import type { DispositionContext } from './disposition.ts';
import type { EndTransactions } from './end-transactions.ts';
import { failureClassOf } from './failure-class.ts';
import type { AnyMessageListener, ListenerMessage } from './message-listener.ts';
import type { UnknownOutcomeSink } from './unknown-outcome-sink.ts';
import type { Verdict } from './work-message.ts';

export interface CallTools {
  readonly gateway: Pick<Gateway, 'call'> | undefined;
  readonly unknownOutcome: UnknownOutcomeSink | undefined;
  readonly inTransaction: EndTransactions | undefined;
  readonly pause: CallPause;
  readonly random: () => number;
  readonly closing: AbortSignal;
}

interface CallWork {
  readonly listener: AnyMessageListener;
  readonly message: ReceivedMessage;
  readonly decoded: ListenerMessage<unknown>;
  readonly idempotencyKey: string;
  readonly decision: DispositionContext;
}

/** Makes the call a message leads to and judges by its outcome. UNKNOWN is handed to its sink first. */
export const workCall = async (work: CallWork, tools: CallTools, signal: AbortSignal): Promise<Verdict> => {
  const { decision, decoded, idempotencyKey, listener, message } = work;
  const input: unknown = listener.input(decoded);
  const outcome = await callWhenAllowed(tools, signal, () =>
    tools.gateway!.call<unknown, unknown>(listener.call, input, {
      idempotencyKey,
      correlationId: decoded.correlationId,
      signal,
      apply: (em: EntityManager, end: CallOutcome<unknown>) => applyOutcome(listener, decoded, em, end),
      inTransaction: (end) => tools.inTransaction?.(listener, decoded, end),
    }),
  );
  if (outcome === 'closing') return { settlement: { kind: 'handBack' }, error: undefined };
  if (outcome.status === 'UNKNOWN') await tools.unknownOutcome?.(listener, message, idempotencyKey, outcome.error);
  const error = outcome.status === 'PENDING' ? outcome.error : undefined;
  return { settlement: dispositionOfOutcome(outcome, decision), error };
};

/**
 * Where no call is allowed, because the circuit is open or our own limit has no room, the delivery waits here and
 * keeps its lease: postponing it would use up one of its deliveries and tell nobody anything. Open circuits also end
 * the receiving; the gateway lets one of those that wait through as its probe, and what that one finds wakes the others.
 * A probe that fails waits on, or the same few messages would use up their deliveries by probing.
 */
const callWhenAllowed = async (
  { closing, pause, random }: CallTools,
  signal: AbortSignal,
  call: () => Promise<CallOutcome<unknown>>,
): Promise<CallOutcome<unknown> | 'closing'> => {
  let letGo: (() => void) | undefined;
  try {
    for (let wasRefused = false; ;) {
      const outcome = await call();
      if (outcome.status !== 'PENDING') {
        if (!outcome.replayed) pause.answered();
        return outcome;
      }
      const { error } = outcome;
      if (signal.aborted) return outcome;
      if (error instanceof CircuitOpenError || error instanceof CallThrottledError) {
        wasRefused = error instanceof CircuitOpenError;
        if (wasRefused) letGo ??= pause.hold();
        await pause.wait(Math.ceil(error.retryAfterMs * (1 + random() / 10)), AbortSignal.any([closing, signal]));
        if (closing.aborted) return 'closing';
        if (signal.aborted) return outcome;
      } else if (isOutage(error) && (wasRefused || pause.isCircuitOpen)) {
        // The circuit is open now, so the next call is refused and says for how long.
        wasRefused = false;
      } else return outcome;
    }
  } finally {
    letGo?.();
  }
};

/** The institution's failure, and not this message's. */
const isOutage = (error: unknown): boolean => ['connect', 'unavailable'].includes(failureClassOf(error));
