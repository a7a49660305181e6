import { BrokerError, ClosedError } from '../errors.ts';

/** Understood and refused by the broker: the same message is refused again. A topic that is missing or of another type is not the message's fault. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof BrokerError && !error.retryable && !(error.cause instanceof ClosedError);
