import type { RemotingCall } from './remoting-client.ts';
import type { RemotingResponse } from './remoting-frame.ts';
import { StackError } from './stack-error.ts';
import { type StoredMessage, decodeStoredMessages } from './stored-message.ts';

/** A queue of a topic, at the address of its broker. */
export interface TopicQueue {
  readonly address: string;
  readonly id: string;
}

export interface ReadOptions {
  /** Messages of one answer at most; default 32, which is also the most a broker gives as it is shipped. */
  readonly chunk?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const PULL_MESSAGE = 11;
/** `ResponseCode` of RocketMQ 5.4.0. */
const SUCCESS = 0;
const PULL_NOT_FOUND = 19;
const PULL_RETRY_IMMEDIATELY = 20;
const PULL_OFFSET_MOVED = 21;
/** The broker makes this group for its own tools at every start. */
const TOOLS_GROUP = 'TOOLS_CONSUMER';
/** The request carries its own subscription, and it neither waits nor moves the group's offset. */
const SUBSCRIPTION_IN_REQUEST = '4';
const MESSAGES_A_PULL = 32;

/**
 * Every message of these queues, queue by queue, oldest first, as of when it got there; what the group of the tools reads
 * moves nobody's offset. Works for the broker's own topics too, which no consumer may read. Rejects with `StackError`.
 */
export async function* readQueues(
  ask: (address: string, call: RemotingCall) => Promise<RemotingResponse>,
  topic: string,
  queues: readonly TopicQueue[],
  { chunk = MESSAGES_A_PULL, signal }: ReadOptions = {},
): AsyncGenerator<StoredMessage> {
  for (const { address, id } of queues) {
    let offset = 0;
    for (;;) {
      signal?.throwIfAborted();
      const response = await ask(address, pull(topic, id, offset, chunk));
      const { code, remark, fields } = response;
      if (code !== SUCCESS && code !== PULL_NOT_FOUND && code !== PULL_RETRY_IMMEDIATELY && code !== PULL_OFFSET_MOVED)
        throw new StackError(`could not read topic ${topic}: ${address} answered ${code}: ${remark ?? 'without a reason'}`);
      if (code === SUCCESS) yield* decodeStoredMessages(response.body);
      const next = Number(fields['nextBeginOffset'] ?? offset);
      if (code === PULL_NOT_FOUND || next <= offset) break;
      offset = next;
    }
  }
}

const pull = (topic: string, queueId: string, offset: number, chunk: number): RemotingCall => ({
  purpose: `read topic ${topic}`,
  code: PULL_MESSAGE,
  fields: {
    consumerGroup: TOOLS_GROUP,
    topic,
    queueId,
    queueOffset: String(offset),
    maxMsgNums: String(chunk),
    sysFlag: SUBSCRIPTION_IN_REQUEST,
    commitOffset: '0',
    suspendTimeoutMillis: '0',
    subscription: '*',
    subVersion: '0',
    expressionType: 'TAG',
  },
});
