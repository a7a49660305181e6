import type { TransactionalProducer } from '../broker/transactional-producer.ts';
import { ConfigurationError } from '../errors.ts';
import type { Lookup } from './lookup.ts';
import type { Carrier } from './publisher-options.ts';
import type { AnyTransactionListener, HalfMode } from './transaction-listener.ts';

/** A carrier that is ready: the broker's with its producer. */
export type StartedCarrier = Exclude<Carrier, { kind: 'half' }> | { readonly kind: 'half'; readonly producer: TransactionalProducer };

/** What a COMMIT is proven by. Without a half there is nothing to fence before BEGIN: the rows themselves are the fence. */
export function proofOf(
  carrier: Carrier | StartedCarrier,
  { lookup, half }: Pick<AnyTransactionListener, 'lookup' | 'half'>,
): { readonly lookup: Lookup; readonly half: HalfMode } {
  if (carrier.kind === 'half') return { lookup, half };
  return { lookup: (carrier.kind === 'outbox' ? carrier.outbox.lookup : undefined) ?? lookup, half: 'beforeCommit' };
}

/** Refuses, with `ConfigurationError`, a log that is to compensate orders of a listener which does not say how. */
export function requireCompensation(carrier: Carrier, listeners: readonly AnyTransactionListener[]): void {
  if (carrier.kind !== 'log' || carrier.log.onAppendFailure !== 'compensate') return;
  const missing = listeners.find(({ compensate }) => compensate === undefined);
  if (missing !== undefined)
    throw new ConfigurationError(
      `listener "${missing.name}": the log is to compensate orders whose message it could not keep, so it must say how: compensate(em, input)`,
    );
}
