import { ConfigurationError } from '../errors.ts';
import type { TransactionListener } from '../transaction/transaction-listener.ts';

/** What a message was when its transaction published it, as far as the rows tell. */
export interface OriginalMessage {
  /** Of the transaction listener, and its kind of look-up. */
  readonly listener: string;
  readonly lookup: 'rowExists' | 'transactionMarker';
  readonly database: string | undefined;
  readonly topic: string;
  readonly tag: string;
  readonly version: number;
  readonly keys: readonly string[];
  readonly payload: unknown;
  readonly transactionId: string;
  /** Default: that of the call where there is one, the transaction id otherwise, as `publish()` does. */
  readonly correlationId: string | undefined;
}

export interface OriginalIds<Produced = unknown> {
  /** The transaction that wrote the row: a check-back is answered by it. */
  readonly transactionId: string;
  readonly correlationId?: string | undefined;
  /** Which of the listener's messages, from 0. Default 0. */
  readonly nth?: number;
  /** For listeners with `commitWith`: what the transaction produced. */
  readonly produced?: Produced;
}

/**
 * The message that `listener` published for `input`, built by its own `payload` and `keys`, so that consumers cannot tell
 * it from the first one. Pure. Throws `ConfigurationError` when the listener has no such message.
 */
export const originalMessage = <Input, Produced = unknown>(
  listener: TransactionListener<Input, Produced>,
  input: Input,
  { transactionId, correlationId, nth = 0, produced }: OriginalIds<Produced>,
): OriginalMessage => {
  const template = listener.messages[nth];
  if (template === undefined)
    throw new ConfigurationError(
      `transaction listener "${listener.name}" has ${listener.messages.length} messages, so none is number ${nth}`,
    );
  return {
    listener: listener.name,
    lookup: listener.lookup.kind,
    database: listener.database?.(input),
    topic: template.topic,
    tag: template.tag,
    version: template.version,
    keys: template.keys(input, produced as Produced),
    payload: template.payload(input, produced as Produced),
    transactionId,
    correlationId,
  };
};
