import { resolveRetryOptions } from '../../worker/retry-options.ts';
import type { LoadedConfig } from '../config.ts';

/** A topic that the configuration needs, and what it must have been created to take; `undefined`: anything that can be consumed. */
export interface ExpectedTopic {
  readonly topic: string;
  readonly type: 'TRANSACTION' | 'NORMAL' | 'DELAY' | undefined;
  /** Who needs it. */
  readonly by: string;
}

/** A consumer group that the configuration needs. */
export interface ExpectedGroup {
  readonly group: string;
  /** Deliveries after which we give a message up by ourselves; the broker must not do it first. */
  readonly maxDeliveries: number;
  readonly by: string;
}

type Config = Pick<
  LoadedConfig,
  'strategy' | 'transactionListeners' | 'messageListeners' | 'compensations' | 'statusChecks' | 'deadLetters'
>;

/** Each topic once; of several needs the most particular one counts. */
export function expectedTopics(config: Config): ExpectedTopic[] {
  const { strategy = 'halfMessage', transactionListeners = [], messageListeners = [], compensations = [], statusChecks } = config;
  // Whatever is not a half message is an ordinary one.
  const published = strategy === 'halfMessage' ? 'TRANSACTION' : 'NORMAL';
  const publishing = [...transactionListeners, ...compensations.map(({ publish }) => publish)];
  const topics = new Map<string, ExpectedTopic>();
  const add = (expected: ExpectedTopic): void => {
    if (!topics.has(expected.topic)) topics.set(expected.topic, expected);
  };
  for (const { name, messages } of publishing)
    for (const { topic } of messages) add({ topic, type: published, by: `transaction listener "${name}"` });
  if (statusChecks?.timerTopic !== undefined) add({ topic: statusChecks.timerTopic, type: 'DELAY', by: 'the timers of status checks' });
  for (const { name, topic } of messageListeners) add({ topic, type: undefined, by: `message listener "${name}"` });
  return [...topics.values()];
}

/** Groups of listeners and timers, and those that read what the broker itself gave up. */
export function expectedGroups({ messageListeners = [], statusChecks, deadLetters }: Config): ExpectedGroup[] {
  const groups = new Map<string, ExpectedGroup>();
  const add = (expected: ExpectedGroup): void => {
    const known = groups.get(expected.group);
    if (known === undefined || known.maxDeliveries < expected.maxDeliveries) groups.set(expected.group, expected);
  };
  for (const { name, group, retry } of messageListeners)
    add({ group, maxDeliveries: resolveRetryOptions(retry).maxDeliveries, by: `message listener "${name}"` });
  const drained = deadLetters?.drainBroker === false ? [] : [...groups.keys()];
  for (const group of drained) add({ group: `${group}-dlq-drain`, maxDeliveries: 1, by: `the dead letters of group "${group}"` });
  if (statusChecks?.timerTopic !== undefined)
    add({ group: statusChecks.timerGroup ?? 'checkback-status-checks', maxDeliveries: 1, by: 'the timers of status checks' });
  return [...groups.values()];
}
