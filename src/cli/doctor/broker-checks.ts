import { rocketmqTopicType } from '../../broker/rocketmq/topic-type.ts';
import { ConfigurationError } from '../../errors.ts';
import type { Master } from './broker-remoting.ts';
import { type ExpectedGroup, expectedGroups, expectedTopics } from './expected-broker.ts';
import { type Finding, fail, ok, skipped, warn } from './finding.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

const START_TIMEOUT_MS = 12_000;
/** What docs and docker/ recommend: every redelivery counts for the broker, only some of them for us. */
const RECOMMENDED_RETRIES = 1_000;

export const brokerCheck: DoctorCheck<Patient> = {
  name: 'broker',
  timeLimitMs: 10_000,
  async look(patient) {
    const { endpoints } = patient.config;
    try {
      await patient.connectBroker();
    } catch (error) {
      return [
        fail(
          `nobody can be reached at ${(error as Error).message}`,
          'start the RocketMQ proxy, or correct CHECKBACK_ROCKETMQ_ENDPOINTS (or "endpoints"): host and gRPC port of the proxy, 8081 on most installations',
        ),
      ];
    }
    return [ok(`${endpoints} takes connections`)];
  },
};

export const topicsCheck: DoctorCheck<Patient> = {
  name: 'topics',
  timeLimitMs: 30_000,
  async look(patient) {
    const { config } = patient;
    const topics = expectedTopics(config);
    if (topics.length === 0) return [skipped('not checked: the configuration names no topic')];
    await patient.broker();
    return Promise.all(
      topics.map(async ({ topic, type, by }) => {
        const create = `create it: mqadmin updateTopic -n <name server> -c <cluster> -t ${topic} -a +message.type=${type ?? 'NORMAL'}`;
        let found: string;
        try {
          found = await rocketmqTopicType({ endpoints: config.endpoints, startTimeoutMs: START_TIMEOUT_MS }, topic);
        } catch (error) {
          if (!(error instanceof ConfigurationError)) throw error;
          return fail(`does not exist; needed by ${by}`, create, topic);
        }
        if (type === undefined || found === type) return ok(`takes ${found} messages`, topic);
        const advice = `the type of a topic that was used is for ever: take another name, or delete it (mqadmin deleteTopic) and ${create}`;
        return fail(`takes ${found} messages; ${type} is needed by ${by}`, advice, topic);
      }),
    );
  },
};

export const groupsCheck: DoctorCheck<Patient> = {
  name: 'groups',
  timeLimitMs: 15_000,
  async look(patient) {
    const groups = expectedGroups(patient.config);
    if (groups.length === 0) return [skipped('not checked: the configuration names no consumer group')];
    const remoting = patient.remoting();
    const masters = await remoting.masters();
    return Promise.all(
      groups.map(async (expected) => {
        const found = await Promise.all(masters.map(async (master) => ({ master, group: await remoting.group(master, expected.group) })));
        return judgeGroup(expected, found);
      }),
    );
  },
};

/** One group on every broker. */
export function judgeGroup(
  { group, maxDeliveries, by }: ExpectedGroup,
  found: readonly { readonly master: Master; readonly group: { readonly retryMaxTimes: number } | undefined }[],
): Finding {
  const set = `mqadmin updateSubGroup -n <name server> -c <cluster> -g ${group} -r ${RECOMMENDED_RETRIES}`;
  const missing = found.filter((broker) => broker.group === undefined).map(({ master }) => master.name);
  if (missing.length > 0) return fail(`does not exist on ${missing.join(', ')}; needed by ${by}`, `create it: ${set}`, group);
  const retries = Math.min(...found.map((broker) => broker.group?.retryMaxTimes ?? 0));
  if (retries + 1 < maxDeliveries)
    return fail(
      `the broker gives a message up after ${retries + 1} deliveries, ${by} after ${maxDeliveries}`,
      `let the listener decide: ${set}`,
      group,
    );
  if (retries < RECOMMENDED_RETRIES)
    return warn(
      `the broker gives a message up after ${retries + 1} deliveries, those that came to no attempt among them`,
      `let the listener decide: ${set}`,
      group,
    );
  return ok(`delivers up to ${retries + 1} times`, group);
}
