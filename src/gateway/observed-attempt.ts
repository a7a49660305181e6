import { ConnectTimeoutError } from '../errors.ts';
import { attemptCall, type AttemptTools, type CallInProgress } from './attempt-call.ts';
import type { CallOutcome } from './call-outcome.ts';
import { circuitVerdict } from './circuit-verdict.ts';
import type { Exchange } from './exchange.ts';
import type { OpenedAttempt } from './external-call-store.ts';
import { emitGatewayEvent, runGatewayOperation } from './gateway-events.ts';
import type { Admission } from './origin-gate.ts';

/** An attempt, with what it says about its institution told to the circuit, and what it came to told to whoever listens. */
export function observedAttempt<I, R>(
  call: CallInProgress<I, R>,
  opened: OpenedAttempt,
  tools: AttemptTools,
  admission: Admission,
): Promise<CallOutcome<R>> {
  const begun = () => ({ ...namesOf(call), attempt: opened.attempt, method: call.definition.method });
  return runGatewayOperation('attempt', begun, () => attemptAndTell(call, opened, tools, admission));
}

async function attemptAndTell<I, R>(
  call: CallInProgress<I, R>,
  opened: OpenedAttempt,
  tools: AttemptTools,
  admission: Admission,
): Promise<CallOutcome<R>> {
  const { attempt } = opened;
  emitGatewayEvent('attempt-opened', () => ({ ...namesOf(call), attempt }));
  let seen: Exchange | undefined;
  const outcome = await attemptCall(call, opened, tools, (exchange, classified) => {
    seen = exchange;
    // Before its end is recorded: a slow database of ours says nothing about the institution.
    admission.judge(circuitVerdict(exchange, classified));
    if (classified.status === 'PENDING' && classified.error instanceof ConnectTimeoutError)
      emitGatewayEvent('connect-timeout', () => ({ ...namesOf(call), attempt, connectMs: exchange.times.connectMs }));
  });
  const exchange = seen;
  if (exchange)
    emitGatewayEvent('attempt-closed', () => ({
      ...namesOf(call),
      attempt,
      status: outcome.status,
      httpStatus: exchange.answer?.httpStatus,
      errorCode: outcome.status === 'SUCCESS' ? undefined : outcome.error.code,
      failedPhase: exchange.kind === 'failed' ? exchange.phase : undefined,
      times: exchange.times,
    }));
  return outcome;
}

/** What names a call in an event. */
export const namesOf = <I, R>({ definition, options }: Pick<CallInProgress<I, R>, 'definition' | 'options'>) => ({
  origin: definition.origin,
  call: definition.name,
  idempotencyKey: options.idempotencyKey,
  correlationId: options.correlationId,
});
