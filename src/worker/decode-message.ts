import type { StandardSchemaV1 } from '@standard-schema/spec';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import type { ReceivedMessage } from '../broker/message.ts';
import { InvalidMessageError } from '../errors.ts';
import type { ListenerMessage, PayloadSchema } from './message-listener.ts';
import { DEFAULT_JSON_LIMITS, parseJson } from './parse-json.ts';
import type { JsonLimits } from './parse-json.ts';

/**
 * The message as its listener sees it, its payload parsed within `limits` and validated by `schema`, synchronously or
 * not. Rejects with `InvalidMessageError` when the body is no acceptable JSON or the schema refuses it; the error names
 * the paths refused and not their values, which may be secret. A schema that itself throws rejects with what it threw.
 * The correlation id is the producer's, or the broker's message id for a message of somebody who sets none.
 */
export const decodeMessage = async <Payload>(
  message: ReceivedMessage,
  schema?: PayloadSchema<Payload>,
  limits: JsonLimits = DEFAULT_JSON_LIMITS,
): Promise<ListenerMessage<Payload>> => {
  const value = parseJson(message.body, limits);
  return {
    // Without a schema Payload is whatever the listener says it is.
    payload: schema === undefined ? (value as Payload) : await validate(value, schemaOf(schema, message)),
    correlationId: message.properties[MESSAGE_PROPERTY.correlationId] ?? message.messageId,
    transactionId: message.properties[MESSAGE_PROPERTY.transactionId],
    messageId: message.messageId,
    topic: message.topic,
    tag: message.tag,
    keys: message.keys,
    properties: message.properties,
    deliveryAttempt: message.deliveryAttempt,
  };
};

/** A sender that names no version sent the first. */
const schemaOf = <Payload>(schema: PayloadSchema<Payload>, { properties }: ReceivedMessage): StandardSchemaV1<unknown, Payload> => {
  if ('~standard' in schema) return schema;
  const version = properties[MESSAGE_PROPERTY.version] ?? '1';
  const found = Object.hasOwn(schema, version) ? schema[Number(version)] : undefined;
  if (found === undefined)
    throw new InvalidMessageError(
      `payload version ${JSON.stringify(version.slice(0, 20))} is unknown here; known are ${Object.keys(schema).join(', ')}`,
    );
  return found;
};

const MAX_PATHS_NAMED = 5;

const validate = async <Payload>(value: unknown, schema: StandardSchemaV1<unknown, Payload>): Promise<Payload> => {
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result.value;
  const paths = result.issues.slice(0, MAX_PATHS_NAMED).map(pathOf).join(', ');
  const more = result.issues.length > MAX_PATHS_NAMED ? ` and ${result.issues.length - MAX_PATHS_NAMED} more` : '';
  throw new InvalidMessageError(`payload is refused by its schema at ${paths}${more}`);
};

const pathOf = ({ path = [] }: StandardSchemaV1.Issue): string =>
  path.length === 0
    ? 'the root'
    : path.map((segment) => String(typeof segment === 'object' ? segment.key : segment).slice(0, 64)).join('.');
