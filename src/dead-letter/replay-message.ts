import type { OutgoingMessage } from '../broker/message.ts';
import type { DeadLetter } from './dead-letter.ts';
import { REPLAY_PROPERTY } from './message-identity.ts';

/**
 * Names the broker keeps for itself (`MessageConst` of RocketMQ 5.4.0): it refuses a message that brings one along, and a
 * used-up round number would start a half message with a spent check budget.
 */
const BROKER_PROPERTIES = new Set(
  [
    'KEYS TAGS WAIT DELAY RETRY_TOPIC REAL_TOPIC REAL_QID TRAN_MSG PGROUP MIN_OFFSET MAX_OFFSET BUYER_ID ORIGIN_MESSAGE_ID',
    'TRANSFER_FLAG CORRECTION_FLAG MQ2_FLAG RECONSUME_TIME MSG_REGION TRACE_ON UNIQ_KEY EXTEND_UNIQ_INFO MAX_RECONSUME_TIMES',
    'CONSUME_START_TIME TRAN_PREPARED_QUEUE_OFFSET DUP_INFO EXTERN_INFO INSTANCE_ID CORRELATION_ID REPLY_TO_CLIENT TTL',
    'ARRIVE_TIME PUSH_REPLY_TIME CLUSTER MSG_TYPE POP_CK POP_CK_OFFSET 1ST_POP_TIME TRANSACTION_CHECK_TIMES',
    'CHECK_IMMUNITY_TIME_IN_SECONDS TRANSACTION_PREPARED_QUEUE_OFFSET DLQ_ORIGIN_TOPIC DLQ_ORIGIN_MESSAGE_ID TRACE_CONTEXT',
    'INNER_NUM INNER_BASE INNER_MULTI_DISPATCH INNER_MULTI_QUEUE_OFFSET CRC32 BORN_HOST BORN_TIMESTAMP STORE_HOST',
    'STORE_TIMESTAMP MSG_SOURCE_TOPIC LMQ_DISPATCH LITE_TOPIC POP_LITE',
    'TIMER_DELAY_SEC TIMER_DELAY_MS TIMER_DELIVER_MS TIMER_ENQUEUE_MS TIMER_DEQUEUE_MS TIMER_ROLL_TIMES TIMER_OUT_MS',
    'TIMER_DEL_UNIQKEY TIMER_DELAY_LEVEL TIMER_DEL_MS __transactionId__ __STARTDELIVERTIME __SHARDINGKEY __PRIORITY',
  ].flatMap((names) => names.split(' ')),
);

/**
 * The message as it is sent again: topic, tag, keys, body and the sender's properties as they were, idempotency key,
 * correlation id and the owner of its transaction among them, without the broker's; and the letter's identity.
 */
export const replayMessage = (letter: DeadLetter, body: Uint8Array, topic: string): OutgoingMessage => ({
  topic,
  tag: letter.tag,
  keys: letter.keys,
  properties: {
    ...Object.fromEntries(Object.entries(letter.properties).filter(([name]) => !BROKER_PROPERTIES.has(name))),
    [REPLAY_PROPERTY]: letter.identity,
  },
  body,
});
