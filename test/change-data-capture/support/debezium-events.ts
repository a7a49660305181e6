import type { DebeziumEncoding } from '../../../src/change-data-capture/debezium/debezium-values.ts';

/**
 * Events in the shape that Debezium's documentation gives for its MySQL connector and Kafka Connect's JSON converter, with
 * the connector's defaults: `decimal.handling.mode=precise`, `time.precision.mode=adaptive_time_microseconds`,
 * `binary.handling.mode=bytes`.
 */
const values = {
  id: 'order-1',
  customer_id: 'customer-1',
  amount_minor: 4200,
  // -123456 as two's complement: fe 1d c0
  price: '/h3A',
  placed_on: 20_780,
  created_at: 1_795_428_930_123,
  exact_at: 1_795_428_930_123_456,
  stamped_at: '2026-11-23T09:15:30Z',
  opens: 30_600_500_000,
  digest: 'AP+A',
  notes: '{"gift": true}',
  state: 'PLACED',
  cancelled_by: null,
};

/** What a message without a schema must be told. */
export const COLUMNS: Readonly<Record<string, DebeziumEncoding>> = {
  price: { decimal: 2 },
  placed_on: 'days',
  created_at: 'milliseconds',
  exact_at: 'microseconds',
  stamped_at: 'iso',
  opens: 'time-microseconds',
  digest: 'base64',
  notes: 'json',
};

const FIELDS = [
  { type: 'string', optional: false, field: 'id' },
  { type: 'string', optional: false, field: 'customer_id' },
  { type: 'int64', optional: false, field: 'amount_minor' },
  {
    type: 'bytes',
    optional: false,
    name: 'org.apache.kafka.connect.data.Decimal',
    version: 1,
    parameters: { scale: '2', 'connect.decimal.precision': '20' },
    field: 'price',
  },
  { type: 'int32', optional: false, name: 'io.debezium.time.Date', version: 1, field: 'placed_on' },
  { type: 'int64', optional: false, name: 'io.debezium.time.Timestamp', version: 1, field: 'created_at' },
  { type: 'int64', optional: false, name: 'io.debezium.time.MicroTimestamp', version: 1, field: 'exact_at' },
  { type: 'string', optional: false, name: 'io.debezium.time.ZonedTimestamp', version: 1, field: 'stamped_at' },
  { type: 'int64', optional: false, name: 'io.debezium.time.MicroTime', version: 1, field: 'opens' },
  { type: 'bytes', optional: false, field: 'digest' },
  { type: 'string', optional: false, name: 'io.debezium.data.Json', version: 1, field: 'notes' },
  { type: 'string', optional: false, name: 'io.debezium.data.Enum', version: 1, parameters: { allowed: 'PLACED,PAID' }, field: 'state' },
  { type: 'string', optional: true, field: 'cancelled_by' },
];

const source = {
  version: '3.0.0.Final',
  connector: 'mysql',
  name: 'shop',
  ts_ms: 1_763_892_930_000,
  snapshot: 'false',
  db: 'inventory',
  table: 'orders',
  server_id: 223_344,
  gtid: null,
  file: 'binlog.000003',
  pos: 484,
  row: 0,
};

/** `schemas.enable=false`. */
export const withoutSchema = (op: 'c' | 'u' | 'd' | 'r', changes: object = {}) => ({
  before: op === 'c' || op === 'r' ? null : { ...values, ...changes },
  after: op === 'd' ? null : { ...values, ...changes },
  source,
  op,
  ts_ms: 1_763_892_930_400,
  transaction: null,
});

/** `schemas.enable=true`. */
export const withSchema = (op: 'c' | 'u' | 'd' | 'r') => ({
  schema: {
    type: 'struct',
    fields: [
      { type: 'struct', fields: FIELDS, optional: true, name: 'shop.inventory.orders.Value', field: 'before' },
      { type: 'struct', fields: FIELDS, optional: true, name: 'shop.inventory.orders.Value', field: 'after' },
      { type: 'struct', fields: [], optional: false, name: 'io.debezium.connector.mysql.Source', field: 'source' },
      { type: 'string', optional: false, field: 'op' },
      { type: 'int64', optional: true, field: 'ts_ms' },
    ],
    optional: false,
    name: 'shop.inventory.orders.Envelope',
  },
  payload: withoutSchema(op),
});

/** After the transformation `ExtractNewRecordState`. */
export const flat = (added: object = {}) => ({ ...values, ...added });

export const flatWithSchema = () => ({
  schema: { type: 'struct', fields: FIELDS, optional: false, name: 'shop.inventory.orders.Value' },
  payload: flat(),
});
