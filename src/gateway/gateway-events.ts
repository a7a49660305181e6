import { channel } from 'node:diagnostics_channel';
import type { CallStatus } from './call-status.ts';
import type { CircuitSnapshot } from './circuit-breaker.ts';
import type { CircuitKind } from './circuit-state.ts';
import type { PhaseTimes, TimeoutPhase } from './exchange.ts';

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

const channels = {
  'attempt-opened': channel('checkback:gateway:attempt-opened'),
  'attempt-closed': channel('checkback:gateway:attempt-closed'),
  'connect-timeout': channel('checkback:gateway:connect-timeout'),
  'circuit-changed': channel('checkback:gateway:circuit-changed'),
  throttled: channel('checkback:gateway:throttled'),
  'retry-budget-exhausted': channel('checkback:gateway:retry-budget-exhausted'),
} satisfies Record<keyof GatewayEvents, unknown>;

/** `event` is called only when somebody listens. */
export function emitGatewayEvent<Name extends keyof GatewayEvents>(name: Name, event: () => GatewayEvents[Name]): void {
  if (channels[name].hasSubscribers) channels[name].publish(event());
}

/** Listens to one kind of event of all gateways in the process; returns how to stop. */
export function onGatewayEvent<Name extends keyof GatewayEvents>(name: Name, listener: (event: GatewayEvents[Name]) => void): () => void {
  const onMessage = (message: unknown): void => listener(message as GatewayEvents[Name]);
  channels[name].subscribe(onMessage);
  return () => {
    channels[name].unsubscribe(onMessage);
  };
}
