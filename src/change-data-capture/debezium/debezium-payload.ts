import type { StandardSchemaV1 } from '@standard-schema/spec';
import { ConfigurationError } from '../../errors.ts';
import { messageOf } from '../../shared/error-message.ts';
import { type DebeziumEnvelope, type DebeziumOperation, openEnvelope } from './debezium-envelope.ts';
import { type ConnectField, type DebeziumEncoding, decodeValue, encodingOf, UnreadableValue } from './debezium-values.ts';

export type { DebeziumEncoding, DebeziumOperation };

type Row = Readonly<Record<string, unknown>>;

/** A row's change, decoded. */
export interface DebeziumChange {
  readonly operation: DebeziumOperation;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
  /** Debezium's own words about where it comes from: `ts_ms`, `file`, `pos`, `gtid`, `db`, `table`. */
  readonly source: Row;
}

export interface DebeziumPayloadOptions<Payload> {
  /** Operations the listener takes; a message with another is dead-lettered, so filter at Debezium too (`skipped.operations`). Default: create and snapshot. */
  readonly operations?: readonly DebeziumOperation[];
  /**
   * Columns whose values are not what they look like in JSON, for messages that do not say it themselves
   * (`schemas.enable=false`). What a message says of a column goes before. Default: none.
   */
  readonly columns?: Readonly<Record<string, DebeziumEncoding>>;
  /** The listener's payload. Pure; a throw dead-letters the message. Default: the change itself. */
  readonly payloadOf?: (change: DebeziumChange) => unknown;
  /** Checks what `payloadOf` gave. Any Standard Schema. */
  readonly schema?: StandardSchemaV1<unknown, Payload>;
}

const OPERATIONS: readonly DebeziumOperation[] = ['create', 'update', 'delete', 'snapshot'];

/**
 * A schema for the `payload` of a listener whose topic Debezium writes: with its schema or without, as envelope or flat
 * (`ExtractNewRecordState`). Decimals become text, moments Dates in UTC, dates and times text, binaries Uint8Arrays. An
 * event that cannot be read exactly is refused with the column's name, and so dead-lettered, never guessed. Throws
 * `ConfigurationError` naming a wrong option.
 */
export const debeziumPayload = <Payload = DebeziumChange>(
  options: DebeziumPayloadOptions<Payload> = {},
): StandardSchemaV1<unknown, Payload> => {
  const { operations = ['create', 'snapshot'], columns = {}, payloadOf = (change) => change, schema } = options;
  for (const operation of operations) {
    if (!OPERATIONS.includes(operation))
      throw new ConfigurationError(`debeziumPayload: operations must be of ${OPERATIONS.join(', ')}, got ${operation}`);
  }
  const wanted = new Set(operations);
  const read = (body: unknown): DebeziumChange => {
    const envelope = openEnvelope(body);
    if (typeof envelope === 'string') throw new Refused(envelope);
    if (!wanted.has(envelope.operation)) throw new Refused(`is a ${envelope.operation}, which this listener does not take`);
    return changeOf(envelope, columns);
  };
  return {
    '~standard': {
      version: 1,
      vendor: 'checkback',
      validate: (body) => {
        let payload: unknown;
        try {
          payload = payloadOf(read(body));
        } catch (error) {
          if (error instanceof Refused) return { issues: [{ message: error.message, path: error.path }] };
          return { issues: [{ message: `payloadOf threw: ${messageOf(error)}` }] };
        }
        return schema === undefined ? { value: payload as Payload } : schema['~standard'].validate(payload);
      },
    },
  };
};

class Refused extends Error {
  readonly path: readonly string[];

  constructor(message: string, path: readonly string[] = []) {
    super(message);
    this.path = path;
  }
}

const changeOf = (envelope: DebeziumEnvelope, columns: Readonly<Record<string, DebeziumEncoding>>): DebeziumChange => {
  const { operation, before, after, source } = envelope;
  const fields = new Map(envelope.fields.map((field) => [field.field, field]));
  const decoded = (row: Row | undefined): Row | undefined =>
    row &&
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => {
        try {
          return [name, decodeValue(value, columnEncoding(fields.get(name), name, columns))];
        } catch (error) {
          if (error instanceof UnreadableValue) throw new Refused(`column ${name} ${error.message}`, [name]);
          throw error;
        }
      }),
    );
  return { operation, before: decoded(before), after: decoded(after), source };
};

const columnEncoding = (
  field: ConnectField | undefined,
  name: string,
  columns: Readonly<Record<string, DebeziumEncoding>>,
): DebeziumEncoding | undefined => {
  const said = field && encodingOf(field);
  const declared = Object.hasOwn(columns, name) ? columns[name] : undefined;
  // A binary may be written in another way than Kafka Connect's own.
  return said === undefined || (said === 'base64' && declared !== undefined) ? declared : said;
};
