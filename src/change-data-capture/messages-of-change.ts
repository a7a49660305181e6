import type { OutgoingMessage } from '../broker/message.ts';
import { CaptureStoppedError } from '../errors.ts';
import { messageOf } from '../shared/error-message.ts';
import type { encodeHalfMessage } from '../transaction/half-message.ts';
import type { AnyRowMessage } from './row-message.ts';
import type { LoggedTable, RowChange, RowImage } from './row-change.ts';

/** A row message, and how its rows are read. */
export interface ReadableRowMessage {
  readonly rowMessage: AnyRowMessage;
  /** `database.table`. */
  readonly table: string;
  /** What keeps rows of this shape from being read; empty when nothing does. */
  readonly misfits: (table: LoggedTable) => readonly string[];
  /** The row as an entity, with the columns that are needed. */
  readonly readRow: (image: RowImage) => object;
}

/** How a publisher writes a message. */
export interface MessageParts {
  readonly encodeHalfMessage: typeof encodeHalfMessage;
  /** Name of the service that publishes. */
  readonly owner: string;
}

/**
 * The messages of a committed change, in the order of their row messages: none for a change nobody wants. Pure. Throws
 * `CaptureStoppedError` when the rows do not fit the entity any more, or the mapping throws: nothing is guessed or skipped.
 */
export const messagesOfChange = (
  change: RowChange,
  readables: readonly ReadableRowMessage[],
  parts: MessageParts,
): readonly OutgoingMessage[] =>
  readables
    .filter(({ table, rowMessage }) => table === change.table.name && rowMessage.on === change.kind)
    .flatMap((readable) => {
      refuseMisfits(change, readable);
      try {
        return messagesOf(change, readable, parts);
      } catch (error) {
        throw new CaptureStoppedError(
          `the row message of listener "${readable.rowMessage.listener.name}" failed on ${aChange(change)} of ${change.table.name}: ${messageOf(error)}`,
          { reason: 'mapping', cause: error },
        );
      }
    });

const refuseMisfits = (change: RowChange, { misfits, rowMessage }: ReadableRowMessage): void => {
  const found = misfits(change.table);
  if (found.length > 0)
    throw new CaptureStoppedError(
      `table ${change.table.name} does not fit the row message of listener "${rowMessage.listener.name}": ${found.join('; ')}. Start again with an entity that fits the rows as they were written, or name in "columns" what the row message reads`,
      { reason: 'schema' },
    );
};

const messagesOf = (
  { after, before }: RowChange,
  { rowMessage, readRow }: ReadableRowMessage,
  { encodeHalfMessage, owner }: MessageParts,
): readonly OutgoingMessage[] => {
  const { listener, when, inputOf, idsOf } = rowMessage;
  const row = readRow(after);
  if (!when(row, before && readRow(before))) return [];
  const { transactionId, correlationId = transactionId, produced } = idsOf(row);
  if (typeof transactionId !== 'string' || transactionId === '') throw new Error('idsOf gives no transactionId');
  const input = inputOf(row);
  const identity = {
    owner,
    listener: listener.name,
    transactionId,
    correlationId,
    lookup: 'outbox' as const,
    database: listener.database?.(input),
  };
  return listener.messages.map(({ topic, tag, version, keys, payload }) =>
    encodeHalfMessage({ topic, tag, version, keys: keys(input, produced), payload: payload(input, produced) }, identity),
  );
};

const aChange = ({ kind }: RowChange): string => (kind === 'insert' ? 'an insert' : 'an update');
