import { parseFastjson, type RemotingResponse } from './remoting-frame.ts';
import { remotingClient, type RemotingCall, type RemotingClient } from './remoting-client.ts';
import { StackError } from './stack-error.ts';
import { type ReadOptions, type TopicQueue, readQueues } from './read-topic.ts';
import type { StoredMessage } from './stored-message.ts';
import { waitUntil } from './wait-until.ts';

/** The one kind of message a topic takes. */
export type TopicType = 'TRANSACTION' | 'NORMAL' | 'DELAY' | 'FIFO';
export const TOPIC_TYPES: readonly TopicType[] = ['TRANSACTION', 'NORMAL', 'DELAY', 'FIFO'];

/** Where a topic lives, as the name server tells it. */
type TopicRoute = {
  readonly brokers: readonly { readonly name: string; readonly readQueues: number; readonly writeQueues: number }[];
};

/**
 * What `mqadmin` does, without a JVM per command: milliseconds each. Speaks to the name server and, at the addresses it
 * names, to every master broker. Every request has a deadline; a refusal is a `StackError` with the broker's own words.
 */
export type RocketmqAdmin = {
  readonly namesrv: string;
  /** Creates or changes a topic; resolves when the name server routes it on every broker. `queues` per broker, default 4. Idempotent. */
  createTopic(name: string, type: TopicType, options?: { queues?: number }): Promise<void>;
  /** Idempotent: a topic that does not exist is as good as deleted. */
  deleteTopic(name: string): Promise<void>;
  /** `undefined` when the name server does not know the topic. */
  topicRoute(name: string): Promise<TopicRoute | undefined>;
  /** Creates or changes a consumer group. A message is delivered `retryMaxTimes` + 1 times, then it is a dead letter. Idempotent. */
  createGroup(name: string, options: { retryMaxTimes: number }): Promise<void>;
  /** Number of messages ever stored in the topic that consumers can read, over all its queues. */
  maxOffset(topic: string): Promise<number>;
  /** Messages of the topic that the group has not acknowledged, those in progress among them; all of them for a group that never read. */
  lag(topic: string, group: string): Promise<number>;
  /** Every message of a topic, oldest first in each of its queues; the broker's own topics too, which no consumer may read. Moves nobody's offset. */
  readTopic(topic: string, options?: ReadOptions): AsyncIterable<StoredMessage>;
  /** A broker setting as the broker itself sees it, for example `transactionTimeOut`. Unknown keys are an error. */
  brokerConfig(key: string): Promise<string>;
  /** Changes a broker setting while it runs. The broker also writes it into its own copy of broker.conf, so it survives a restart of the process. */
  setBrokerConfig(key: string, value: string): Promise<void>;
  /** Names of the master brokers the name server knows. */
  brokers(): Promise<string[]>;
  /** Makes the broker at this address announce itself to the name server now instead of at its next turn (10–60 s). */
  announceBroker(brokerAddress: string): Promise<void>;
  /** Idempotent. */
  close(): void;
};

/** Where to ask and how long to wait for one answer. */
export type RocketmqAdminOptions = { readonly namesrv: string; /** Default 5000. */ readonly requestTimeoutMs?: number };

/** From `RequestCode` and `ResponseCode` of RocketMQ 5.4.0. */
const CODE = {
  consumerOffset: 14,
  createTopic: 17,
  updateConfig: 25,
  readConfig: 26,
  maxOffset: 30,
  route: 105,
  cluster: 106,
  createGroup: 200,
  deleteTopicInBroker: 215,
  deleteTopicInNamesrv: 216,
};
const TOPIC_NOT_EXIST = 17;
const OFFSET_NOT_FOUND = 22;
const READ_AND_WRITE = '6';
/** Registration is pushed by the broker at once; more than this means that it cannot reach the name server. */
const ROUTABLE_TIMEOUT_MS = 15_000;

type Master = { readonly name: string; readonly cluster: string; readonly address: string };

/** An administrator of the cluster behind one name server. No connection is made before the first call. */
export function rocketmqAdmin(options: RocketmqAdminOptions): RocketmqAdmin {
  const { namesrv, requestTimeoutMs = 5000 } = options;
  const clients = new Map<string, RemotingClient>();

  const ask = (address: string, call: RemotingCall): Promise<RemotingResponse> => {
    let client = clients.get(address);
    if (!client) clients.set(address, (client = remotingClient(address, requestTimeoutMs)));
    return client.call(call);
  };
  const demand = async (address: string, call: RemotingCall): Promise<RemotingResponse> => {
    const response = await ask(address, call);
    if (response.code !== 0)
      throw new StackError(`could not ${call.purpose}: ${address} answered ${response.code}: ${response.remark ?? 'without a reason'}`);
    return response;
  };

  const masters = async (): Promise<Master[]> => {
    const response = await demand(namesrv, { purpose: 'list the brokers', code: CODE.cluster });
    const { brokerAddrTable = {} } = parseFastjson(response.body.toString()) as {
      brokerAddrTable?: Record<string, { cluster: string; brokerName: string; brokerAddrs: Record<string, string> }>;
    };
    return Object.values(brokerAddrTable).flatMap(({ brokerName, cluster, brokerAddrs }) => {
      const address = brokerAddrs['0'];
      return address === undefined ? [] : [{ name: brokerName, cluster, address }];
    });
  };
  const someMasters = async (): Promise<Master[]> => {
    const found = await masters();
    if (found.length === 0)
      throw new StackError(`the name server ${namesrv} knows no broker: none is running, or it has not announced itself yet`);
    return found;
  };

  const topicRoute = async (name: string): Promise<TopicRoute | undefined> => {
    const purpose = `look up topic ${name}`;
    const response = await ask(namesrv, { purpose, code: CODE.route, fields: { topic: name, acceptStandardJsonOnly: 'true' } });
    if (response.code === TOPIC_NOT_EXIST) return undefined;
    if (response.code !== 0)
      throw new StackError(`could not ${purpose}: ${namesrv} answered ${response.code}: ${response.remark ?? 'without a reason'}`);
    const { queueDatas } = parseFastjson(response.body.toString()) as {
      queueDatas: { brokerName: string; readQueueNums: number; writeQueueNums: number }[];
    };
    return {
      brokers: queueDatas.map((queue) => ({ name: queue.brokerName, readQueues: queue.readQueueNums, writeQueues: queue.writeQueueNums })),
    };
  };

  const queuesOf = async (topic: string): Promise<readonly TopicQueue[]> => {
    const byName = new Map((await someMasters()).map((master) => [master.name, master.address]));
    const brokers = (await topicRoute(topic))?.brokers ?? [];
    return brokers.flatMap((broker) =>
      Array.from({ length: broker.readQueues }, (_, id) => ({ address: byName.get(broker.name) ?? '', id: String(id) })),
    );
  };
  const maxOffset = async (topic: string, queue: TopicQueue): Promise<number> => {
    const purpose = `read the offset of topic ${topic}`;
    const response = await demand(queue.address, {
      purpose,
      code: CODE.maxOffset,
      fields: { topic, queueId: queue.id, committed: 'true' },
    });
    return Number(response.fields['offset']);
  };

  return {
    namesrv,
    topicRoute,

    async createTopic(name, type, { queues = 4 } = {}) {
      if (!TOPIC_TYPES.includes(type)) throw new RangeError(`type of topic ${name} must be one of ${TOPIC_TYPES.join(', ')}, got ${type}`);
      if (!Number.isSafeInteger(queues) || queues < 1)
        throw new RangeError(`queues of topic ${name} must be a whole number from 1, got ${queues}`);
      const on = await someMasters();
      const fields = {
        topic: name,
        // Not used by the broker any more, but a required field.
        defaultTopic: 'TBW102',
        readQueueNums: String(queues),
        writeQueueNums: String(queues),
        perm: READ_AND_WRITE,
        topicFilterType: 'SINGLE_TAG',
        topicSysFlag: '0',
        order: 'false',
        attributes: `+message.type=${type}`,
      };
      for (const { address } of on) await demand(address, { purpose: `create topic ${name}`, code: CODE.createTopic, fields });
      await waitUntil(
        async () => {
          const routed =
            (await topicRoute(name))?.brokers.filter((broker) => broker.writeQueues === queues).map((broker) => broker.name) ?? [];
          const missing = on.filter((master) => !routed.includes(master.name));
          if (missing.length > 0) throw new Error(`not yet announced by ${missing.map((master) => master.name).join(', ')}`);
        },
        { what: `topic ${name} to be routed by ${namesrv}`, timeoutMs: ROUTABLE_TIMEOUT_MS, intervalMs: 20 },
      );
    },

    async deleteTopic(name) {
      const on = await someMasters();
      for (const { address } of on)
        await demand(address, { purpose: `delete topic ${name}`, code: CODE.deleteTopicInBroker, fields: { topic: name } });
      for (const cluster of new Set(on.map((master) => master.cluster))) {
        await demand(namesrv, {
          purpose: `delete topic ${name}`,
          code: CODE.deleteTopicInNamesrv,
          fields: { topic: name, clusterName: cluster },
        });
      }
    },

    async createGroup(name, { retryMaxTimes }) {
      if (!Number.isSafeInteger(retryMaxTimes) || retryMaxTimes < 0)
        throw new RangeError(`retryMaxTimes of group ${name} must be a whole number from 0, got ${retryMaxTimes}`);
      const body = Buffer.from(
        JSON.stringify({ groupName: name, retryMaxTimes, retryQueueNums: 1, consumeEnable: true, consumeBroadcastEnable: true }),
      );
      for (const { address } of await someMasters())
        await demand(address, { purpose: `create group ${name}`, code: CODE.createGroup, body });
    },

    async maxOffset(topic) {
      let sum = 0;
      for (const queue of await queuesOf(topic)) sum += await maxOffset(topic, queue);
      return sum;
    },

    async lag(topic, group) {
      let sum = 0;
      for (const queue of await queuesOf(topic)) {
        const purpose = `read how far group ${group} is in topic ${topic}`;
        const fields = { topic, consumerGroup: group, queueId: queue.id, setZeroIfNotFound: 'false' };
        const response = await ask(queue.address, { purpose, code: CODE.consumerOffset, fields });
        if (response.code !== 0 && response.code !== OFFSET_NOT_FOUND)
          throw new StackError(
            `could not ${purpose}: ${queue.address} answered ${response.code}: ${response.remark ?? 'without a reason'}`,
          );
        const consumed = response.code === 0 ? Number(response.fields['offset']) : 0;
        sum += Math.max(0, (await maxOffset(topic, queue)) - consumed);
      }
      return sum;
    },

    async *readTopic(topic, options) {
      yield* readQueues(ask, topic, await queuesOf(topic), options);
    },

    async brokerConfig(key) {
      const [master] = await someMasters();
      const response = await demand(master!.address, { purpose: `read the broker setting ${key}`, code: CODE.readConfig });
      const line = response.body
        .toString()
        .split('\n')
        .find((candidate) => candidate.startsWith(`${key}=`));
      if (line === undefined) throw new StackError(`the broker ${master!.address} has no setting ${key}`);
      return line.slice(key.length + 1).trim();
    },

    async setBrokerConfig(key, value) {
      for (const { address } of await someMasters()) {
        await demand(address, {
          purpose: `set the broker setting ${key} to ${value}`,
          code: CODE.updateConfig,
          body: Buffer.from(`${key}=${value}\n`),
        });
      }
    },

    brokers: async () => (await masters()).map((master) => master.name),

    async announceBroker(brokerAddress) {
      // The one setting whose change makes the broker register all its topics at once (AdminBrokerProcessor.updateBrokerConfig).
      await demand(brokerAddress, {
        purpose: 'announce the broker',
        code: CODE.updateConfig,
        body: Buffer.from(`brokerPermission=${READ_AND_WRITE}\n`),
      });
    },

    close() {
      for (const client of clients.values()) client.close();
      clients.clear();
    },
  };
}
