import type { ConnectField } from './debezium-values.ts';

/** What happened to the row: created, updated, deleted, or read by a snapshot. */
export type DebeziumOperation = 'create' | 'update' | 'delete' | 'snapshot';

type JsonObject = Readonly<Record<string, unknown>>;

/** A change event taken apart, its values as they came. */
export interface DebeziumEnvelope {
  readonly operation: DebeziumOperation;
  readonly before: JsonObject | undefined;
  readonly after: JsonObject | undefined;
  readonly source: JsonObject;
  /** What the event says of its columns; empty without `schemas.enable`. */
  readonly fields: readonly ConnectField[];
}

/** Debezium's letters; truncations and messages have no row. */
const OPERATIONS: Readonly<Record<string, DebeziumOperation>> = { c: 'create', u: 'update', d: 'delete', r: 'snapshot' };

/** A sentence instead of an envelope for what is none. */
export const openEnvelope = (body: unknown): DebeziumEnvelope | string => {
  if (!isObject(body)) return 'is no change event: a tombstone, or not Debezium’s';
  const hasSchema = 'payload' in body && 'schema' in body;
  const payload = hasSchema ? body['payload'] : body;
  const schema = hasSchema && isObject(body['schema']) ? (body['schema'] as ConnectField) : undefined;
  if (!isObject(payload)) return 'has no payload: a tombstone';
  return 'op' in payload && ('after' in payload || 'before' in payload) ? whole(payload, schema) : flat(payload, schema);
};

const whole = (payload: JsonObject, schema: ConnectField | undefined): DebeziumEnvelope | string => {
  const operation = OPERATIONS[letterOf(payload['op'])];
  if (operation === undefined) return `has the operation ${JSON.stringify(letterOf(payload['op']))}, which is none of a row`;
  const row = schema?.fields?.find(({ field }) => field === 'after') ?? schema?.fields?.find(({ field }) => field === 'before');
  return {
    operation,
    before: objectOf(payload['before']),
    after: objectOf(payload['after']),
    source: objectOf(payload['source']) ?? {},
    fields: row?.fields ?? [],
  };
};

/** The row alone, as `ExtractNewRecordState` leaves it; `__op` and the like where `add.fields` asks for them. */
const flat = (payload: JsonObject, schema: ConnectField | undefined): DebeziumEnvelope | string => {
  const isDeleted = [true, 'true'].includes(payload['__deleted'] as boolean | string);
  const operation = isDeleted ? 'delete' : OPERATIONS[letterOf(payload['__op'] ?? 'c')];
  if (operation === undefined) return 'has an __op which is none of a row';
  const row = Object.fromEntries(Object.entries(payload).filter(([name]) => !name.startsWith('__')));
  if (Object.keys(row).length === 0) return 'has no row';
  const source = Object.fromEntries(
    Object.entries(payload).flatMap(([name, value]) => {
      const known = /^__(?:source_)?(.+)$/.exec(name);
      return known === null || ['op', 'deleted'].includes(known[1]!) ? [] : [[known[1]!, value]];
    }),
  );
  return { operation, before: isDeleted ? row : undefined, after: isDeleted ? undefined : row, source, fields: schema?.fields ?? [] };
};

const letterOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 8) : '');
const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const objectOf = (value: unknown): JsonObject | undefined => (isObject(value) ? value : undefined);
