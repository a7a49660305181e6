import { v7 as uuid } from 'uuid';
import { MESSAGE_PROPERTY, type OutgoingMessage } from '../../broker/message.ts';
import { rocketmq } from '../../broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../../broker/rocketmq/topic-type.ts';
import type { CheckBack, SentHalfMessage } from '../../broker/transactional-producer.ts';
import { ConfigurationError } from '../../errors.ts';
import { abortable } from '../../shared/abort.ts';
import { expectedTopics } from './expected-broker.ts';
import { CannotLook, type Finding, fail, ok, skipped, warn } from './finding.ts';
import type { Patient } from './patient.ts';
import type { DoctorCheck } from './run-checks.ts';

const START_TIMEOUT_MS = 12_000;
/** Slow is not broken: that is for others to find. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Marks the probe for whoever finds it on the broker. */
const PROBE = 'checkback-doctor';

/** Stored by the broker and rolled back at once: nobody can ever consume it. */
export const halfMessageCheck: DoctorCheck<Patient> = {
  name: 'half message',
  timeLimitMs: 45_000,
  async look(patient) {
    const topic = await transactionTopic(patient);
    return withProbe(
      patient,
      topic,
      async () => 'UNKNOWN',
      async (half, tookMs): Promise<Finding> => {
        await half.end('ROLLBACK');
        return ok(`stored in ${tookMs} ms and rolled back`, topic);
      },
    );
  },
};

/** Takes as long as the broker waits before it asks, so only on demand. `timeLimitMs` is the most it may take. */
export function checkBackCheck(isWanted: boolean, timeLimitMs: number): DoctorCheck<Patient> {
  return {
    name: 'check-back',
    // So that an answer which does not come is told as such, and the probe is ended.
    timeLimitMs: timeLimitMs + 45_000,
    async look(patient, signal) {
      if (!isWanted)
        return [skipped('not checked: the broker takes its time before it asks', 'run with --probe-check-back to wait for it')];
      const topic = await transactionTopic(patient);
      const asked = Promise.withResolvers<number>();
      const probe = uuid();
      const checkBack: CheckBack = async ({ properties, round }) => {
        // Of other half messages this process knows nothing; the broker asks again.
        if (properties[MESSAGE_PROPERTY.transactionId] !== probe) return 'UNKNOWN';
        asked.resolve(round);
        return 'ROLLBACK';
      };
      return withProbe(
        patient,
        topic,
        checkBack,
        async (half) => {
          const startedAt = performance.now();
          const enough = AbortSignal.any([signal, AbortSignal.timeout(timeLimitMs)]);
          try {
            const round = await abortable(asked.promise, enough);
            const afterS = Math.round((performance.now() - startedAt) / 1_000);
            return ok(`asked after ${afterS} s (round ${round}) and answered ROLLBACK`, topic);
          } catch {
            await half.end('ROLLBACK').catch(() => {});
            return (await wasAnsweredByAnother(patient, probe))
              ? ok('asked, and answered ROLLBACK by a running process of this service', topic)
              : warn(
                  `this process was not asked within ${Math.round(timeLimitMs / 1_000)} s`,
                  'compare with transactionTimeOut and transactionCheckInterval of the broker, allow more with --probe-ms, and make sure that the proxy can reach the broker',
                  topic,
                );
          }
        },
        probe,
      );
    },
  };
}

async function transactionTopic(patient: Patient): Promise<string> {
  const { config } = patient;
  const topics = expectedTopics(config).filter(({ type }) => type === 'TRANSACTION');
  if (topics.length === 0) throw new CannotLook('the configuration sends no half messages');
  await patient.broker();
  for (const { topic } of topics) {
    const options = { endpoints: config.endpoints, startTimeoutMs: START_TIMEOUT_MS };
    const type = await rocketmqTopicType(options, topic).catch((error: unknown) => {
      if (error instanceof ConfigurationError) return undefined;
      throw error;
    });
    if (type === 'TRANSACTION') return topic;
  }
  throw new CannotLook('there is no topic of type TRANSACTION yet');
}

async function withProbe(
  { config }: Patient,
  topic: string,
  checkBack: CheckBack,
  judge: (half: SentHalfMessage, tookMs: number) => Promise<Finding>,
  transactionId = uuid(),
): Promise<Finding[]> {
  const broker = rocketmq({ endpoints: config.endpoints, startTimeoutMs: START_TIMEOUT_MS, requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const producer = await broker.startTransactionalProducer({ topics: [topic], checkBack });
  try {
    const startedAt = performance.now();
    let half: SentHalfMessage;
    try {
      half = await producer.sendHalf(probeMessage(config.owner, topic, transactionId));
    } catch (error) {
      return [fail((error as Error).message, 'look at the logs of proxy and broker: orders cannot be taken', topic)];
    }
    return [await judge(half, Math.round(performance.now() - startedAt))];
  } finally {
    await producer.close(2_000);
  }
}

/**
 * Under the look-up `transactionMarker`: should this process die in between, any process of the service finds no marker,
 * writes the one that forbids the transaction, and answers ROLLBACK for good.
 */
const probeMessage = (owner: string, topic: string, transactionId: string): OutgoingMessage => ({
  topic,
  tag: PROBE,
  keys: [],
  properties: {
    [MESSAGE_PROPERTY.owner]: owner,
    [MESSAGE_PROPERTY.listener]: PROBE,
    [MESSAGE_PROPERTY.transactionId]: transactionId,
    [MESSAGE_PROPERTY.correlationId]: `${PROBE}-${transactionId}`,
    [MESSAGE_PROPERTY.lookup]: 'transactionMarker',
  },
  body: Buffer.from('{}'),
});

async function wasAnsweredByAnother(patient: Patient, transactionId: string): Promise<boolean> {
  try {
    const orm = await patient.database();
    const rows = await orm.em.getConnection('write').execute<unknown[]>('select id from transaction_marker where id = ?', [transactionId]);
    return rows.length > 0;
  } catch {
    return false;
  }
}
