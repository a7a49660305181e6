import { PublishingMessage, SendReceipt, type Producer } from 'rocketmq-client-nodejs';
import definitions from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import type { TransactionResolution } from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb.js';
import serviceMessages from 'rocketmq-client-nodejs/proto/apache/rocketmq/v2/service_pb.js';
import { internals } from '../../src/broker/rocketmq/client-internals.ts';

export interface BareHalfOptions {
  /** `undefined` on purpose: unset. Default: now. */
  readonly bornAt?: number | undefined;
  readonly immunityS?: number;
}

/** A half with what neither our adapter nor the client lets one set. */
export async function sendBareHalf(producer: Producer, topic: string, options: BareHalfOptions = {}) {
  const [queue] = (await internals(producer).getRouteData(topic)).messageQueues;
  const content = { topic, tag: 'placed', body: Buffer.from('{}') };
  const half = new PublishingMessage(content, producer.publishingSettings, true).toProtobuf('', queue!);
  const system = half.getSystemProperties()!;
  if ('bornAt' in options) {
    if (options.bornAt === undefined) system.clearBornTimestamp();
    else system.getBornTimestamp()!.fromDate(new Date(options.bornAt));
  }
  if (options.immunityS !== undefined) {
    // Field 19 with that many seconds in it: the class of a duration is in a package that is not ours to import.
    const duration = definitions.SystemProperties.deserializeBinary(Uint8Array.of(0x9a, 0x01, 0x02, 0x08, options.immunityS));
    system.setOrphanedTransactionRecoveryDuration(duration.getOrphanedTransactionRecoveryDuration());
  }
  const request = new serviceMessages.SendMessageRequest();
  request.addMessages(half);
  const { endpoints } = queue!.broker;
  const [receipt] = SendReceipt.processResponseInvocation(
    queue!,
    await producer.getRpcClientManager().sendMessage(endpoints, request, 3_000),
  );
  const { messageId, transactionId } = receipt!;
  return {
    messageId,
    end: (resolution: TransactionResolution) =>
      producer.endTransaction(endpoints, { topic } as never, messageId, transactionId, resolution),
  };
}
