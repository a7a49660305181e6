import { Refusal } from './refusal.ts';

/** How often and in which order a group is given its messages. */
export interface ConsumerGroup {
  readonly name: string;
  /** A message is delivered this many times more than once, then it is a dead letter. */
  readonly retryMaxTimes: number;
  /** Whether messages of one message group are delivered one after the other. */
  readonly isFifo: boolean;
}

const NAME = /^[%|a-zA-Z0-9_-]+$/;
/** `MixAll.isSysConsumerGroup`. */
const SYSTEM_GROUP_PREFIX = 'CID_RMQ_SYS_';

/** Refuses as `Validators.checkGroup` of the proxy does. */
export function requireGroupName(name: string): void {
  if (name.trim() === '') throw new Refusal('ILLEGAL_CONSUMER_GROUP', 'the specified group is blank');
  if (name.length > 255) throw new Refusal('ILLEGAL_CONSUMER_GROUP', 'the specified group is longer than group max length 255.');
  if (!NAME.test(name))
    throw new Refusal(
      'ILLEGAL_CONSUMER_GROUP',
      `the specified group[${name}] contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$`,
    );
  if (name.startsWith(SYSTEM_GROUP_PREFIX)) throw new Refusal('ILLEGAL_CONSUMER_GROUP', 'cannot use system consumer group');
}

export class ConsumerGroups {
  readonly #groups = new Map<string, ConsumerGroup>();

  all(): readonly ConsumerGroup[] {
    return [...this.#groups.values()];
  }

  find(name: string): ConsumerGroup | undefined {
    return this.#groups.get(name);
  }

  /** Refuses as the proxy does: its code for this (40403) does not get through to the client. */
  require(name: string): ConsumerGroup {
    const group = this.#groups.get(name);
    if (group === undefined) throw new Refusal('INTERNAL_SERVER_ERROR', `subscription group [${name}] does not exist`);
    return group;
  }

  /** A group that exists keeps its place in every topic and takes the new limit. */
  create(group: ConsumerGroup): void {
    this.#groups.set(group.name, group);
  }
}
