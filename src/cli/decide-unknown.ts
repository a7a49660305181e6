import type { Logger } from '../shared/logger.ts';
import { decideByHand, type HandDecision, type HandResult } from '../status-check/decide-by-hand.ts';
import { listenersByName } from '../status-check/status-checker-options.ts';
import { mysqlExternalCallStore } from '../store/mysql-external-call-store.ts';
import { mysqlStatusCheckStore } from '../store/mysql-status-check-store.ts';
import { applyOutcome } from '../worker/apply-outcome.ts';
import { decodeMessage } from '../worker/decode-message.ts';
import type { AnyMessageListener } from '../worker/message-listener.ts';
import { composeCompensations, type Orm } from './compose.ts';
import type { LoadedConfig } from './config.ts';

/** Records a person's decision, with what a FAIL publishes; opens what that needs for as long as it takes. Rejects as `decideByHand`. */
export const decideUnknown = async (
  decision: HandDecision,
  { config, orm, logger }: { readonly config: LoadedConfig; readonly orm: Orm; readonly logger: Logger },
): Promise<HandResult> => {
  const calling = (config.messageListeners ?? []).filter((listener): listener is AnyMessageListener => listener.call !== undefined);
  const compensations = decision.to === 'FAIL' ? await composeCompensations(config, orm, logger) : undefined;
  try {
    return await decideByHand(decision, {
      store: mysqlStatusCheckStore(orm),
      calls: mysqlExternalCallStore(orm),
      listeners: listenersByName(calling),
      worker: { decodeMessage, applyOutcome, ...(compensations && { inTransaction: compensations.part }) },
    });
  } finally {
    await compensations?.close();
  }
};
