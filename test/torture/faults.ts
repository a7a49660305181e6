import { setTimeout as sleep } from 'node:timers/promises';
import { HalfMessageError, type OutgoingMessage, type TransactionDatabase, type TransactionalBroker } from '../../src/index.ts';
import { MESSAGE_PROPERTY } from '../../src/broker/message.ts';
import { decorate } from './decorate.ts';
import type { Report } from './reports.ts';
import type { OrderPlan } from './workload.ts';

/** A broker whose acknowledgements and ENDs get lost as planned, and that reports every word said to the real one. */
export function faultyBroker(
  broker: TransactionalBroker,
  planFor: (message: OutgoingMessage) => OrderPlan,
  report: (line: Report) => void,
): TransactionalBroker {
  return {
    async startTransactionalProducer({ topics, checkBack }) {
      const producer = await broker.startTransactionalProducer({
        topics,
        checkBack: async (half, signal) => {
          const resolution = await checkBack(half, signal);
          report({ kind: 'answered', transactionId: half.properties[MESSAGE_PROPERTY.transactionId] ?? '', resolution, round: half.round });
          return resolution;
        },
      });
      return {
        async sendHalf(message) {
          const plan = planFor(message);
          const half = await producer.sendHalf(message);
          if (plan.halfAckDelayMs > 0) await sleep(plan.halfAckDelayMs);
          if (plan.losesHalfAck && isFirstAttempt(message))
            throw new HalfMessageError('torture: stored, and its acknowledgement lost', { retryable: true });
          return {
            messageId: half.messageId,
            async end(resolution) {
              if (plan.losesEnd) return;
              report({ kind: 'ending', transactionId: message.properties[MESSAGE_PROPERTY.transactionId] ?? '', resolution });
              await half.end(resolution);
            },
          };
        },
        close: (deadlineMs) => producer.close(deadlineMs),
      };
    },
  };
}

/** A database whose COMMITs lose their answers, or their sessions, as planned. */
export function faultyDatabase(
  database: TransactionDatabase,
  faultOf: (transactionId: string) => OrderPlan['commitFault'],
): TransactionDatabase {
  return decorate(database, {
    withFencedSession: (transactionId, fence, timeoutMs, work) =>
      database.withFencedSession(transactionId, fence, timeoutMs, (session) =>
        work(
          decorate(session, {
            commit: async () => {
              const fault = faultOf(transactionId);
              if (fault === 'killedBefore') await session.kill();
              await session.commit();
              if (fault === 'lostAnswer') throw new Error('torture: COMMIT was applied, and its answer lost');
            },
          }),
        ),
      ),
  });
}

const isFirstAttempt = ({ properties }: OutgoingMessage): boolean => properties[MESSAGE_PROPERTY.correlationId]?.endsWith('/1') ?? false;
