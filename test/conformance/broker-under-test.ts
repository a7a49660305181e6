import type { TopicType } from '../../src/cli/stack/rocketmq-admin.ts';

/** In what the brokers differ, as far as a suite can see it. Everything else is the same on both. */
export interface BrokerFeatures {
  /** SQL92 over properties; a broker without it refuses it with 40010. */
  readonly filtersBySql: boolean;
  /** Hands out a handle for a delayed message, by which it can be taken back; a broker without it answers UNIMPLEMENTED. */
  readonly recallsMessages: boolean;
  /** Of a grouped acknowledgement with a receipt that is no receipt: the rest is acknowledged, not the whole refused with 50001. */
  readonly acknowledgesBesideGarbage: boolean;
}

/** A broker of one test alone. */
export interface PrivateBroker {
  readonly endpoints: string;
  createTopic(type?: TopicType): Promise<string>;
  createGroup(options?: { retryMaxTimes?: number }): Promise<string>;
  /** Messages of a topic that consumers can read, ever. */
  readable(topic: string): Promise<number>;
  parked(): Promise<number>;
  close(): Promise<void>;
}

export interface PrivateSettings {
  readonly transactionCheckMax?: number;
  readonly opBatchIntervalMs?: number;
}

/** What every suite of this folder runs on. Topics and groups are new with every call. */
export interface BrokerUnderTest {
  readonly name: string;
  readonly features: BrokerFeatures;
  /** Known after `open`. */
  readonly endpoints: string;
  readonly open: () => Promise<void>;
  readonly close: () => Promise<void>;
  readonly createTopic: (type?: TopicType) => Promise<string>;
  /** Default: 3 retries. */
  readonly createGroup: (options?: { retryMaxTimes?: number }) => Promise<string>;
  readonly hasTopic: (name: string) => Promise<boolean>;
  readonly startPrivate: (settings: PrivateSettings) => Promise<PrivateBroker>;
}
