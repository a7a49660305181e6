import { type Endpoints, type Producer, StatusChecker, TransactionResolution, TransactionSource } from './client-package.ts';
import { decodeEndStatus, encodeEndTransaction } from './lean/end-transaction.ts';
import { readAnswer } from './lean/read-answer.ts';
import type { RpcChannels } from './rpc-channels.ts';

const PATH = '/apache.rocketmq.v2.MessagingService/EndTransaction';

export interface TransactionToEnd {
  /** Of the proxy that has the record of the half. */
  readonly endpoints: Endpoints;
  readonly topic: string;
  readonly messageId: string;
  readonly transactionId: string;
}

/** Sends COMMIT and ROLLBACK, each once. Rejects with the broker's refusal or with what became of the request. */
export class TransactionEnds {
  readonly #producer: Producer;
  readonly #channels: RpcChannels;

  constructor(producer: Producer, channels: RpcChannels) {
    this.#producer = producer;
    this.#channels = channels;
  }

  /** After our own transaction: over the lean path where there is one, as the half. */
  async end(half: TransactionToEnd, resolution: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    const { lean } = this.#channels;
    if (lean !== undefined) {
      const { topic, messageId, transactionId } = half;
      const codes = { resolution: TransactionResolution[resolution], source: TransactionSource.SOURCE_CLIENT };
      const frame = encodeEndTransaction({ topic, messageId, transactionId, ...codes });
      const { facade } = half.endpoints;
      const answer = await lean.call(facade, PATH, frame);
      if (answer !== undefined) return StatusChecker.check(readAnswer(lean, facade, answer, decodeEndStatus));
    }
    return this.#official(half, resolution, 'SOURCE_CLIENT');
  }

  /** To a check-back, on the connection that its question came on: of several proxies behind one name only that one remembers it. */
  answer(half: TransactionToEnd, resolution: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    return this.#official(half, resolution, 'SOURCE_SERVER_CHECK');
  }

  #official(half: TransactionToEnd, resolution: 'COMMIT' | 'ROLLBACK', source: 'SOURCE_CLIENT' | 'SOURCE_SERVER_CHECK'): Promise<void> {
    const { endpoints, topic, messageId, transactionId } = half;
    return this.#producer.endTransaction(
      endpoints,
      { topic } as never,
      messageId,
      transactionId,
      TransactionResolution[resolution],
      TransactionSource[source],
    );
  }
}
