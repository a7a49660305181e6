/** How a column's value is written in the JSON, where the message itself does not say (`schemas.enable=false`). */
export type DebeziumEncoding =
  /** `decimal.handling.mode=precise`: bytes in base64, of the number without its point; becomes text with `decimal` digits after the point. */
  | { readonly decimal: number }
  /** Days since 1970; becomes `YYYY-MM-DD`. */
  | 'days'
  /** Milli-, micro- or nanoseconds since 1970 in UTC; becomes a Date. */
  | 'milliseconds'
  | 'microseconds'
  | 'nanoseconds'
  /** Milli-, micro- or nanoseconds of a TIME; becomes `HH:MM:SS.ffffff`. */
  | 'time-milliseconds'
  | 'time-microseconds'
  | 'time-nanoseconds'
  /** Text such as `2026-11-23T10:00:00Z`; becomes a Date. */
  | 'iso'
  /** Bytes; become a Uint8Array. */
  | 'base64'
  | 'base64url'
  | 'hex'
  /** A JSON document as text; becomes its value. */
  | 'json';

/** One field of a Kafka Connect schema, as far as it matters. */
export interface ConnectField {
  readonly field?: string;
  readonly type?: string;
  /** The semantic type. */
  readonly name?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly fields?: readonly ConnectField[];
}

/** The semantic types of Debezium and Kafka Connect whose values are not what they look like. */
const SEMANTIC: Readonly<Record<string, DebeziumEncoding>> = {
  'io.debezium.time.Date': 'days',
  'io.debezium.time.Timestamp': 'milliseconds',
  'io.debezium.time.MicroTimestamp': 'microseconds',
  'io.debezium.time.NanoTimestamp': 'nanoseconds',
  'io.debezium.time.Time': 'time-milliseconds',
  'io.debezium.time.MicroTime': 'time-microseconds',
  'io.debezium.time.NanoTime': 'time-nanoseconds',
  'io.debezium.time.ZonedTimestamp': 'iso',
  'io.debezium.time.IsoTimestamp': 'iso',
  'org.apache.kafka.connect.data.Date': 'days',
  'org.apache.kafka.connect.data.Time': 'time-milliseconds',
  'org.apache.kafka.connect.data.Timestamp': 'milliseconds',
  'io.debezium.data.Json': 'json',
};

/** What the schema says of a field; `undefined` where the value is what it looks like. */
export const encodingOf = ({ type, name, parameters }: ConnectField): DebeziumEncoding | undefined => {
  if (name === 'org.apache.kafka.connect.data.Decimal') return { decimal: Number(parameters?.['scale'] ?? 0) };
  const known = name === undefined ? undefined : SEMANTIC[name];
  if (known !== undefined) return known;
  return type === 'bytes' ? 'base64' : undefined;
};

/** Why a value cannot be read. Names no value: it may be secret. */
export class UnreadableValue extends Error {}

/** Throws `UnreadableValue`. */
export const decodeValue = (value: unknown, encoding: DebeziumEncoding | undefined): unknown => {
  if (value === null || value === undefined) return null;
  if (encoding === undefined) return asItIs(value);
  if (typeof encoding === 'object') return decimalOf(value, encoding.decimal);
  switch (encoding) {
    case 'days':
      return new Date(numberOf(value) * 86_400_000).toISOString().slice(0, 10);
    case 'milliseconds':
      return dateOf(numberOf(value));
    case 'microseconds':
      return dateOf(Math.floor(numberOf(value) / 1e3));
    case 'nanoseconds':
      // Beyond what JSON's numbers hold exactly, by less than a microsecond.
      return dateOf(Math.floor(Number(value) / 1e6));
    case 'time-milliseconds':
      return timeOf(numberOf(value) * 1e3);
    case 'time-microseconds':
      return timeOf(numberOf(value));
    case 'time-nanoseconds':
      return timeOf(Math.floor(numberOf(value) / 1e3));
    case 'iso':
      return dateOf(Date.parse(textOf(value)));
    case 'base64':
    case 'base64url':
    case 'hex':
      return bytesOf(textOf(value), encoding);
    case 'json':
      try {
        return JSON.parse(textOf(value));
      } catch {
        throw new UnreadableValue('is not JSON');
      }
  }
};

/** A BIGINT that a JSON number cannot hold was rounded before it came here. */
const asItIs = (value: unknown): unknown => {
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new UnreadableValue('is beyond 2^53 and not exact as a JSON number');
  return value;
};

const numberOf = (value: unknown): number => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new UnreadableValue('is not a whole number');
  return value;
};

const textOf = (value: unknown): string => {
  if (typeof value !== 'string') throw new UnreadableValue('is not text');
  return value;
};

const dateOf = (ms: number): Date => {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) throw new UnreadableValue('is no moment in time');
  return date;
};

const timeOf = (microseconds: number): string => {
  const sign = microseconds < 0 ? '-' : '';
  const whole = Math.abs(microseconds);
  const seconds = Math.floor(whole / 1e6);
  const two = (part: number): string => String(part).padStart(2, '0');
  const fraction = whole % 1e6 === 0 ? '' : `.${String(whole % 1e6).padStart(6, '0')}`;
  return `${sign}${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${fraction}`;
};

const bytesOf = (text: string, encoding: 'base64' | 'base64url' | 'hex'): Uint8Array => {
  const bytes = Buffer.from(text, encoding);
  // What cannot be read is left out without a word.
  if (bytes.toString(encoding).replace(/=+$/, '').toLowerCase() !== text.replace(/=+$/, '').toLowerCase())
    throw new UnreadableValue(`is not ${encoding}`);
  return new Uint8Array(bytes);
};

/** Two's complement, the most significant byte first. With `decimal.handling.mode=string` it is text already. */
const decimalOf = (value: unknown, scale: number): string => {
  const bytes = bytesOf(textOf(value), 'base64');
  if (bytes.length === 0) throw new UnreadableValue('is no number');
  const unscaled = BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return unscaled < 0n ? `-${text}` : text;
};
