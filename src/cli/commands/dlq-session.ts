import { rocketmq } from '../../broker/rocketmq/rocketmq.ts';
import { rocketmqTopicType } from '../../broker/rocketmq/topic-type.ts';
import { type AskInstitution, inquireCall, type InquireCall } from '../../dead-letter/call-inquiry.ts';
import { callOf } from '../../dead-letter/call-of-message.ts';
import type { DeadLetterStore } from '../../dead-letter/dead-letter-store.ts';
import { openReplaySender, type ReplaySender } from '../../dead-letter/replay-sender.ts';
import { createGateway } from '../../gateway/gateway.ts';
import type { Logger } from '../../shared/logger.ts';
import { mysqlExternalCallStore } from '../../store/mysql-external-call-store.ts';
import { mysqlStatusCheckStore } from '../../store/mysql-status-check-store.ts';
import { mysqlFindCall } from '../../store/find-external-call.ts';
import { mysqlDeadLetterStore } from '../../store/mysql-dead-letter-store.ts';
import { decodeMessage } from '../../worker/decode-message.ts';
import type { AnyListener, AnyMessageListener } from '../../worker/message-listener.ts';
import { composeCompensations, type Orm, withDatabase } from '../compose.ts';
import type { LoadedConfig } from '../config.ts';
import { askNow } from './dlq-ask.ts';

/** What the commands about dead letters work with. */
export interface DlqSession {
  readonly config: LoadedConfig;
  readonly store: DeadLetterStore;
  /** Asks institutions what became of calls, and records what they say; for as long as the session lasts. */
  openAsking(logger: Logger): Promise<AskInstitution>;
  /** `askInstitution` is asked where our own row does not know. */
  inquiry(askInstitution?: AskInstitution): InquireCall;
  openSender(logger: Logger): ReplaySender;
}

/** Opens the database of a configuration for as long as `work` runs. The broker is connected when something is sent. */
export const withDeadLetters = <T>(configFile: string | undefined, work: (session: DlqSession) => Promise<T>): Promise<T> =>
  withDatabase(configFile, async ({ config, orm }) => {
    await using opened = new AsyncDisposableStack();
    return await work(dlqSession(config, orm, opened));
  });

/** A session on an open database; what it opens itself is closed with `opened`. */
export const dlqSession = (config: LoadedConfig, orm: Orm, opened: AsyncDisposableStack): DlqSession => {
  const all: readonly AnyListener[] = config.messageListeners ?? [];
  // Only what makes a call can be asked after.
  const listeners = all.filter((listener): listener is AnyMessageListener => listener.call !== undefined);
  return {
    config,
    store: mysqlDeadLetterStore(orm),
    inquiry: (askInstitution) => inquireCall({ callOf: callOf(all, decodeMessage), findCall: mysqlFindCall(orm), askInstitution }),
    openAsking: async (logger) => {
      const compensations = await composeCompensations(config, orm, logger);
      if (compensations !== undefined) opened.adopt(compensations, (composed) => composed.close());
      const calls = mysqlExternalCallStore(orm);
      const options = { ...config.gateway, origins: config.origins, store: calls, logger };
      const gateway = opened.adopt(createGateway(options), (created) => created.close());
      const inTransaction = compensations?.part;
      return askNow({ calls, gateway, inTransaction, listeners, logger, store: mysqlStatusCheckStore(orm) });
    },
    openSender: (logger) => {
      const options = { endpoints: config.endpoints, logger };
      return openReplaySender({ ...rocketmq(options), topicType: (topic) => rocketmqTopicType(options, topic) });
    },
  };
};
