import type { EmbeddedBrokerSettings } from '../broker-settings.ts';
import { Refusal } from '../refusal.ts';
import type { IncomingMessage } from '../stored-message.ts';
import { requireTopicName, type Topic } from '../topics.ts';
import { type definition, Encoding, MessageType, milliseconds } from './grpc-package.ts';

/** Names the broker keeps for itself (`MessageConst.STRING_HASH_SET`). */
const RESERVED_PROPERTIES = new Set(
  (
    'TRACE_ON MSG_REGION KEYS TAGS WAIT DELAY RETRY_TOPIC REAL_TOPIC REAL_QID TRAN_MSG PGROUP MIN_OFFSET MAX_OFFSET BUYER_ID ' +
    'ORIGIN_MESSAGE_ID TRANSFER_FLAG CORRECTION_FLAG MQ2_FLAG RECONSUME_TIME UNIQ_KEY MAX_RECONSUME_TIMES CONSUME_START_TIME POP_CK ' +
    'POP_CK_OFFSET 1ST_POP_TIME TRAN_PREPARED_QUEUE_OFFSET DUP_INFO EXTEND_UNIQ_INFO INSTANCE_ID CORRELATION_ID REPLY_TO_CLIENT TTL ' +
    'ARRIVE_TIME PUSH_REPLY_TIME CLUSTER MSG_TYPE INNER_MULTI_QUEUE_OFFSET TIMER_DELAY_MS TIMER_DELAY_SEC TIMER_DELIVER_MS ' +
    'TIMER_ENQUEUE_MS TIMER_DEQUEUE_MS TIMER_ROLL_TIMES TIMER_OUT_MS TIMER_DEL_UNIQKEY TIMER_DELAY_LEVEL __BORNHOST BORN_TIMESTAMP ' +
    'DLQ_ORIGIN_TOPIC DLQ_ORIGIN_MESSAGE_ID __CRC32#'
  ).split(' '),
);
// `Character.isISOControl`.
// oxlint-disable-next-line no-control-regex
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;
const MAX_MESSAGE_GROUP_BYTES = 64;
const MAX_IMMUNITY_MS = 3_600_000;

/** Reads one message of a send, refusing what the proxy refuses, with its codes and words (`SendMessageActivity`). */
export function incomingMessage(message: definition.Message, settings: EmbeddedBrokerSettings, now: number, peer: string): IncomingMessage {
  const topic = message.getTopic()?.getName() ?? '';
  requireTopicName(topic);
  const body = message.getBody_asU8();
  requireBody(body, settings);
  const system = message.getSystemProperties();
  if (system === undefined) throw new Refusal('ILLEGAL_MESSAGE_ID', 'message id cannot be empty');
  const tag = system.getTag() ?? '';
  const keys = system.getKeysList();
  const properties = requireProperties(message, tag, keys, settings);
  const messageId = system.getMessageId();
  if (messageId.trim() === '') throw new Refusal('ILLEGAL_MESSAGE_ID', 'message id cannot be empty');
  const isTransactional = system.getMessageType() === MessageType.TRANSACTION;
  const deliverAt = system.hasDeliveryTimestamp() ? milliseconds(system.getDeliveryTimestamp()) : undefined;
  if (deliverAt !== undefined && deliverAt - now > settings.maxDelayMs)
    throw new Refusal('ILLEGAL_DELIVERY_TIME', `the max delay time of message is too large, max is ${settings.maxDelayMs}`);
  const messageGroup = requireMessageGroup(system.getMessageGroup() ?? '');
  // A real broker takes a delayed transaction and loses the name of its topic on the way.
  if (isTransactional && deliverAt !== undefined)
    throw new Refusal('MESSAGE_PROPERTY_CONFLICT_WITH_TYPE', 'a transactional message cannot be delayed');
  const kind = isTransactional ? 'TRANSACTION' : deliverAt !== undefined ? 'DELAY' : messageGroup === undefined ? 'NORMAL' : 'FIFO';
  return {
    topic,
    messageId,
    tag,
    keys,
    properties,
    // The decoder's own view would keep the whole request.
    body: body.slice(),
    isCompressed: system.getBodyEncoding() === Encoding.GZIP,
    kind,
    bornAt: milliseconds(system.getBornTimestamp()),
    bornHost: system.getBornHost().trim() === '' ? peer : system.getBornHost(),
    deliverAt,
    messageGroup,
    traceContext: system.getTraceContext() || undefined,
    checkImmunityMs: isTransactional ? immunity(system) : undefined,
  };
}

/** A topic takes the one kind of message it was made for; retries and dead letters are not asked. */
export function requireKind({ kind }: IncomingMessage, { name, type }: Topic): void {
  if (type === 'MIXED' || kind === type || name.startsWith('%RETRY%') || name.startsWith('%DLQ%')) return;
  throw new Refusal(
    'MESSAGE_PROPERTY_CONFLICT_WITH_TYPE',
    `TopicMessageType validate failed, the expected type is ${type}, but actual type is ${kind}`,
  );
}

function requireBody(body: Uint8Array, { maxBodyBytes }: EmbeddedBrokerSettings): void {
  if (body.length === 0) throw new Refusal('MESSAGE_BODY_EMPTY', 'message body cannot be empty');
  if (body.length > maxBodyBytes) throw new Refusal('MESSAGE_BODY_TOO_LARGE', `message body cannot exceed the max ${maxBodyBytes}`);
}

function requireProperties(
  message: definition.Message,
  tag: string,
  keys: readonly string[],
  settings: EmbeddedBrokerSettings,
): Record<string, string> {
  const map = message.getUserPropertiesMap();
  if (map.getLength() > settings.maxProperties)
    throw new Refusal('MESSAGE_PROPERTIES_TOO_LARGE', `too many user properties, max is ${settings.maxProperties}`);
  // No prototype: a property may be called `__proto__`.
  const properties: Record<string, string> = Object.create(null) as Record<string, string>;
  let bytes = Buffer.byteLength(tag);
  map.forEach((value: string, name: string) => {
    if (RESERVED_PROPERTIES.has(name)) throw new Refusal('ILLEGAL_MESSAGE_PROPERTY_KEY', `property is used by system: ${name}`);
    if (CONTROL_CHARACTER.test(name))
      throw new Refusal('ILLEGAL_MESSAGE_PROPERTY_KEY', 'the key of property cannot contain control character');
    if (CONTROL_CHARACTER.test(value))
      throw new Refusal('ILLEGAL_MESSAGE_PROPERTY_KEY', 'the value of property cannot contain control character');
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    properties[name] = value;
  });
  requireTag(tag);
  for (const key of keys) {
    if (key !== '' && key.trim() === '') throw new Refusal('ILLEGAL_MESSAGE_KEY', 'key cannot be the char sequence of whitespace');
    if (CONTROL_CHARACTER.test(key)) throw new Refusal('ILLEGAL_MESSAGE_KEY', 'key cannot contain control character');
    bytes += Buffer.byteLength(key);
  }
  if (bytes > settings.maxPropertiesBytes)
    throw new Refusal(
      'MESSAGE_PROPERTIES_TOO_LARGE',
      `the total size of user property is too large, max is ${settings.maxPropertiesBytes}`,
    );
  return properties;
}

function requireTag(tag: string): void {
  if (tag === '') return;
  if (tag.trim() === '') throw new Refusal('ILLEGAL_MESSAGE_TAG', 'tag cannot be the char sequence of whitespace');
  if (tag.includes('|')) throw new Refusal('ILLEGAL_MESSAGE_TAG', "tag cannot contain '|'");
  if (CONTROL_CHARACTER.test(tag)) throw new Refusal('ILLEGAL_MESSAGE_TAG', 'tag cannot contain control character');
}

function requireMessageGroup(group: string): string | undefined {
  if (group === '') return undefined;
  if (group.trim() === '') throw new Refusal('ILLEGAL_MESSAGE_GROUP', 'message group cannot be the char sequence of whitespace');
  if (Buffer.byteLength(group) >= MAX_MESSAGE_GROUP_BYTES)
    throw new Refusal('ILLEGAL_MESSAGE_GROUP', `message group exceed the max size ${MAX_MESSAGE_GROUP_BYTES}`);
  if (CONTROL_CHARACTER.test(group)) throw new Refusal('ILLEGAL_MESSAGE_GROUP', 'message group cannot contain control character');
  return group;
}

function immunity(system: definition.SystemProperties): number | undefined {
  if (!system.hasOrphanedTransactionRecoveryDuration()) return undefined;
  const ms = milliseconds(system.getOrphanedTransactionRecoveryDuration());
  if (ms > MAX_IMMUNITY_MS)
    throw new Refusal('BAD_REQUEST', `the max transaction recovery time of message is too large, max is ${MAX_IMMUNITY_MS / 1_000}`);
  return ms;
}
