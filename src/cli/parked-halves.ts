import type { ParkedHalf } from '../reconciliation/rescue-parked.ts';
import type { StoredMessage } from './stack/stored-message.ts';

/** Where RocketMQ puts what it has asked about for the last time (`TopicValidator.RMQ_SYS_TRANS_CHECK_MAX_TIME_TOPIC`). gRPC may not read it. */
export const PARKED_TOPIC = 'TRANS_CHECK_MAX_TIME_TOPIC';

/** `MessageConst` of RocketMQ 5.4.0: what the broker and its clients keep among the properties of the sender. */
const SYSTEM_PROPERTIES = new Set(
  [
    'KEYS TAGS WAIT DELAY RETRY_TOPIC ORIGIN_GROUP REAL_TOPIC REAL_QID TRAN_MSG PGROUP MIN_OFFSET MAX_OFFSET BUYER_ID ORIGIN_MESSAGE_ID',
    'TRANSFER_FLAG CORRECTION_FLAG MQ2_FLAG RECONSUME_TIME MSG_REGION TRACE_ON UNIQ_KEY TRANS_OFFSET EXTEND_UNIQ_INFO MAX_RECONSUME_TIMES',
    'CONSUME_START_TIME _SYS_MSG_PRIORITY_ INNER_NUM INNER_BASE DUP_INFO CHECK_IMMUNITY_TIME_IN_SECONDS TRAN_PREPARED_QUEUE_OFFSET',
    '__transactionId__ TRANSACTION_CHECK_TIMES INSTANCE_ID CORRELATION_ID REPLY_TO_CLIENT TTL ARRIVE_TIME PUSH_REPLY_TIME CLUSTER MSG_TYPE',
    'POP_CK POP_CK_OFFSET 1ST_POP_TIME __SHARDINGKEY PROPERTY_FORWARD_QUEUE_ID REDIRECT INNER_MULTI_DISPATCH INNER_MULTI_QUEUE_OFFSET',
    'TRACE_CONTEXT TIMER_DELAY_SEC TIMER_DELIVER_MS __BORNHOST BORN_TIMESTAMP TIMER_ENQUEUE_MS TIMER_DEQUEUE_MS TIMER_ROLL_TIMES',
    'TIMER_OUT_MS TIMER_DEL_UNIQKEY TIMER_ROLL_LABEL TIMER_DELAY_LEVEL TIMER_DELAY_MS __CRC32# DLQ_ORIGIN_TOPIC DLQ_ORIGIN_MESSAGE_ID',
  ].flatMap((line) => line.split(' ')),
);

/** A parked half as its sender sent it. Throws when it does not say which topic it was for. */
export function parkedHalf(stored: StoredMessage): ParkedHalf {
  const { REAL_TOPIC: topic, UNIQ_KEY: messageId, TAGS: tag = '', KEYS: keys = '' } = stored.properties;
  if (topic === undefined || messageId === undefined)
    throw new Error(`the parked message at offset ${stored.queueOffset} does not say which topic it was for or which id it has`);
  return {
    topic,
    tag,
    keys: keys.split(' ').filter((key) => key !== ''),
    properties: Object.fromEntries(
      Object.entries(stored.properties).filter(([name]) => !SYSTEM_PROPERTIES.has(name) && !name.startsWith('__RMQ.TRANSIENT.')),
    ),
    body: stored.body,
    messageId,
    bornAt: stored.bornAt,
    parkedAt: stored.storedAt,
  };
}

/** Those of one topic, or of all. */
export async function* parkedHalves(stored: AsyncIterable<StoredMessage>, topic?: string): AsyncGenerator<ParkedHalf> {
  for await (const message of stored) {
    const half = parkedHalf(message);
    if (topic === undefined || half.topic === topic) yield half;
  }
}
