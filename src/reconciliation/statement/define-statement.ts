import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { EntityName } from '@mikro-orm/core';
import { ConfigurationError } from '../../errors.ts';
import { dayWindow, type WindowRule } from './day-window.ts';
import { resolveStatementPolicy, type StatementPolicy } from './statement-policy.ts';
import type { Fields, StatementFormat } from './statement-format.ts';
import type { PagedStatement } from './paged-statement.ts';

/** What the institution says became of it. PENDING: it has it, and has not ended it. */
export type TheirStatus = 'SUCCESS' | 'FAIL' | 'PENDING';

/** One line of a statement, in our words. */
export interface StatementLine {
  /** Our idempotency key of the call. */
  readonly reference: string;
  /** Integer minor units, see `minorUnits`. A `number` must be whole. */
  readonly amountMinor: bigint | number;
  /** ISO 4217. */
  readonly currency: string;
  readonly status: TheirStatus;
  /** When the institution booked it, as far as it says. */
  readonly bookedAt?: Date | undefined;
}

/** Which rows of ours a statement speaks of. */
export interface OurRowsRule<Row extends object> {
  /** Its primary key must be one column. An index that begins with `writtenAt` keeps a day's reading as short as the day. */
  readonly entity: EntityName<Row>;
  /** Property that is the call's idempotency key. */
  readonly reference: keyof Row & string;
  /** Property in integer minor units. */
  readonly amountMinor: keyof Row & string;
  readonly currency: keyof Row & string;
  /** Property that says to which day a row belongs. */
  readonly writtenAt: keyof Row & string;
  /** Rows of other kinds in the table: MikroORM's conditions. Default: every row. */
  readonly where?: object;
}

export interface StatementDefinition<Row extends object, Schema extends StandardSchemaV1 = StandardSchemaV1<Fields, Fields>> {
  /** Names the statement in breaks and reports; keep it when the code changes. */
  readonly name: string;
  /** Name of the external call whose outcome the lines are about. */
  readonly call: string;
  /** A file's format, or the pages of an API. */
  readonly format: StatementFormat | PagedStatement;
  /** Of the file: a label of the WHATWG encoding standard, such as `utf-8` or `windows-1252`. Taken strictly. Default `utf-8`. */
  readonly encoding?: string;
  readonly window?: WindowRule;
  /** Checks, and may convert, the fields of each record. Default: they are taken as they are. */
  readonly schema?: Schema;
  /** What a record means. Pure; a throw is the problem of that line. `undefined`: the record is none of ours. */
  readonly line: (fields: StandardSchemaV1.InferOutput<Schema>) => StatementLine | undefined;
  /** What a trailer promises: how many lines there are, and their sum. Needed where the format declares a trailer. */
  readonly trailer?: (fields: Fields) => { readonly count: number; readonly sumMinor?: bigint | undefined };
  readonly ours: OurRowsRule<Row>;
  readonly policy?: Partial<StatementPolicy>;
}

/** A checked, frozen statement with its defaults filled in. */
export interface Statement<Row extends object = object> extends Omit<
  StatementDefinition<Row>,
  'encoding' | 'window' | 'schema' | 'line' | 'policy'
> {
  readonly encoding: string;
  readonly window: Required<WindowRule>;
  readonly schema: StandardSchemaV1 | undefined;
  readonly line: (fields: never) => StatementLine | undefined;
  readonly policy: StatementPolicy;
}

// oxlint-disable-next-line typescript/no-explicit-any -- the row's type is the definition's affair alone
export type AnyStatement = Statement<any>;

const NAME = /^[\w.-]{1,100}$/;
/** Newlines of others cannot be found byte by byte. */
const MULTIBYTE_NEWLINE = /^utf-16|^iso-2022|^replacement/;

/**
 * Says how an institution's statement is read and compared with our rows. Throws `ConfigurationError` or `RangeError`
 * naming the field; does no I/O.
 */
export const defineStatement = <Row extends object, Schema extends StandardSchemaV1 = StandardSchemaV1<Fields, Fields>>(
  definition: StatementDefinition<Row, Schema>,
): Statement<Row> => {
  const { name, call, format, line, trailer, ours, schema, encoding = 'utf-8', window = {}, policy = {} } = definition;
  const refuse = (why: string): never => {
    throw new ConfigurationError(`statement "${name}": ${why}`);
  };
  if (typeof name !== 'string' || !NAME.test(name))
    throw new ConfigurationError(`statement name ${JSON.stringify(name)} must be 1–100 of A–Z a–z 0–9 . _ -`);
  if (typeof call !== 'string' || call === '') refuse('call must be the name of an external call');
  if (typeof line !== 'function') refuse('line must be a function');
  for (const property of ['reference', 'amountMinor', 'currency', 'writtenAt'] as const)
    if (typeof ours?.[property] !== 'string') refuse(`ours.${property} must name a property`);
  if ('hasTrailer' in format && format.hasTrailer !== (trailer !== undefined))
    refuse('the format’s trailer and the function that reads it go together');
  const rule = { timeZone: window.timeZone ?? 'UTC', cutOff: window.cutOff ?? '24:00' };
  dayWindow('2026-01-31', rule);
  return Object.freeze({
    ...definition,
    encoding: labelOf(encoding) ?? refuse(`encoding ${JSON.stringify(encoding)} is not one that can be read line by line`),
    window: Object.freeze(rule),
    schema,
    line,
    trailer,
    policy: resolveStatementPolicy(policy),
  }) as Statement<Row>;
};

function labelOf(encoding: string): string | undefined {
  try {
    const label = new TextDecoder(encoding).encoding;
    return MULTIBYTE_NEWLINE.test(label) ? undefined : label;
  } catch {
    return undefined;
  }
}
