import type { CallStatus } from './call-status.ts';
import type { CircuitSnapshot } from './circuit-breaker.ts';
import type { CircuitKind } from './circuit-state.ts';
import type { PhaseTimes, TimeoutPhase } from './exchange.ts';
import type { CallMethod } from './external-call.ts';
import { eventChannels } from '../shared/event-channels.ts';
import { operationChannels } from '../shared/operation-channels.ts';

interface CallEvent {
  readonly origin: string;
  /** Name of the call's definition. */
  readonly call: string;
  readonly idempotencyKey: string;
  readonly correlationId: string;
}

/**
 * What a gateway tells, on `node:diagnostics_channel`, under `checkback:gateway:<name>`: names, ids, statuses, codes and
 * times, never a value of a request or an answer. Subscribers run synchronously at the moment it happens and must not
 * throw; nothing is computed when nobody listens.
 */
export interface GatewayEvents {
  /** The request record is committed; nothing has been sent yet. */
  'attempt-opened': CallEvent & { readonly attempt: number };
  /** The attempt has ended and its end is on record, unless `errorCode` says otherwise. */
  'attempt-closed': CallEvent & {
    readonly attempt: number;
    readonly status: CallStatus;
    /** Of a complete answer. */
    readonly httpStatus: number | undefined;
    readonly errorCode: string | undefined;
    readonly failedPhase: TimeoutPhase | undefined;
    readonly times: PhaseTimes;
  };
  /** No connection within `connectMs`; its `attempt-closed` follows. */
  'connect-timeout': CallEvent & { readonly attempt: number; readonly connectMs: number };
  'circuit-changed': CircuitSnapshot & { readonly before: CircuitKind };
  /** Our own limits had no room in time: the call is PENDING and nothing was sent. */
  throttled: CallEvent & { readonly limit: 'concurrency' | 'rate'; readonly retryAfterMs: number };
  /** An attempt that sent nothing is not made again here, because too much of the traffic is retries already. */
  'retry-budget-exhausted': CallEvent & { readonly attempt: number };
}

const channels = eventChannels<GatewayEvents>('checkback:gateway', {
  'attempt-opened': true,
  'attempt-closed': true,
  'connect-timeout': true,
  'circuit-changed': true,
  throttled: true,
  'retry-budget-exhausted': true,
});

export const emitGatewayEvent = channels.emit;
/** Listens to one kind of event of the whole process; returns how to stop. */
export const onGatewayEvent = channels.on;

/** What of a gateway takes time, on `node:diagnostics_channel` under `checkback:gateway:<name>`; the events above are told inside. */
export interface GatewayOperations {
  /** One attempt, from its committed request record to its recorded end. */
  attempt: CallEvent & { readonly attempt: number; readonly method: CallMethod };
}

const operations = operationChannels<GatewayOperations>('checkback:gateway', { attempt: true });

export const runGatewayOperation = operations.run;
/** Is told of each operation of the whole process as it begins; returns how to stop. */
export const onGatewayOperation = operations.on;
