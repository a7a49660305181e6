import type { FinalOutcome } from '../gateway/call-outcome.ts';
import type { ExternalCallStore, InTransaction } from '../gateway/external-call-store.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Logger } from '../shared/logger.ts';
import type { applyOutcome } from '../worker/apply-outcome.ts';
import type { decodeMessage } from '../worker/decode-message.ts';
import type { AnyMessageListener, ListenerMessage } from '../worker/message-listener.ts';
import type { KnownCall, StatusCheckStore } from './status-check-store.ts';

/** How the worker reads a message and applies an end: a status check does both exactly as it does. */
export interface WorkerParts {
  readonly decodeMessage: typeof decodeMessage;
  readonly applyOutcome: typeof applyOutcome;
  /** The transaction an end is to be applied in, where it is not the store's own: one that a message is published with. */
  readonly inTransaction?: (
    listener: AnyMessageListener,
    message: ListenerMessage<unknown>,
    end: FinalOutcome<unknown>,
  ) => InTransaction | undefined;
}

export type ListenersByName = ReadonlyMap<string, AnyMessageListener>;

/** What a check works with. */
export interface CheckContext {
  readonly store: StatusCheckStore;
  readonly calls: Pick<ExternalCallStore, 'resolveUnknown'>;
  readonly gateway: Pick<Gateway, 'call'>;
  readonly listeners: ListenersByName;
  readonly worker: WorkerParts;
  readonly logger: Logger;
  readonly random: () => number;
}

/** The listener that a record belongs to; `undefined` when this process has none that makes that call. */
export const listenerOf = ({ listener, callName }: KnownCall, listeners: ListenersByName): AnyMessageListener | undefined => {
  const found = listeners.get(listener);
  return found?.call.name === callName ? found : undefined;
};

export const knownCalls = (listeners: ListenersByName): readonly KnownCall[] =>
  [...listeners.values()].map(({ name, call }) => ({ listener: name, callName: call.name }));
