import { paced } from '../shared/pace.ts';
import type { StatementContext } from '../reconciliation/statement/reconcile-statement.ts';
import type { SettleCall } from '../reconciliation/statement/settle-by-statement.ts';
import type { Logger } from '../shared/logger.ts';
import { decideByHand } from '../status-check/decide-by-hand.ts';
import { mysqlExternalCallStore } from '../store/mysql-external-call-store.ts';
import { mysqlStatementStore } from '../store/mysql-reconciliation-break-store.ts';
import { mysqlOurRows } from '../store/mysql-settlement-rows.ts';
import { mysqlStatusCheckStore } from '../store/mysql-status-check-store.ts';
import { applyOutcome } from '../worker/apply-outcome.ts';
import { decodeMessage } from '../worker/decode-message.ts';
import type { EndTransactions } from '../worker/end-transactions.ts';
import type { AnyListener, AnyMessageListener } from '../worker/message-listener.ts';
import { type Composed, composeCompensations, type Orm } from './compose.ts';
import type { LoadedConfig } from './config.ts';

/** What comparing statements is made of. Connects to the broker only where a settled FAIL has a compensating event. */
export async function composeStatement(
  config: LoadedConfig,
  orm: Orm,
  { logger, rate, settles }: { readonly logger: Logger; readonly rate: number | undefined; readonly settles: boolean },
): Promise<Composed<StatementContext>> {
  const compensations = settles ? await composeCompensations(config, orm, logger) : undefined;
  const settle = settles ? settleThrough(config, orm, compensations?.part, logger) : undefined;
  return {
    part: { store: mysqlStatementStore(orm), ours: mysqlOurRows(orm), settle, turn: rate === undefined ? undefined : turnOf(rate) },
    close: async (deadlineMs) => compensations?.close(deadlineMs),
  };
}

/** A batch waits for as long as its rows take one by one. */
function turnOf(rate: number): NonNullable<StatementContext['turn']> {
  const BATCH = 100;
  const wait = paced(rate / BATCH);
  let rest = 0;
  return async (count, signal) => {
    for (rest += count; rest >= BATCH; rest -= BATCH) await wait(signal);
  };
}

/** A statement's word counts as a person's: it goes through the call's status check, with the message kept there. */
function settleThrough(config: LoadedConfig, orm: Orm, inTransaction: EndTransactions | undefined, logger: Logger): SettleCall {
  const all: readonly AnyListener[] = config.messageListeners ?? [];
  const callers = all.filter((listener): listener is AnyMessageListener => listener.call !== undefined);
  const listeners = new Map(callers.map((listener) => [listener.name, listener]));
  const calls = mysqlExternalCallStore(orm);
  const checks = mysqlStatusCheckStore(orm);
  const worker = { applyOutcome, decodeMessage, ...(inTransaction && { inTransaction }) };
  return async (call, { by, why }, within) => {
    const store: typeof checks = Object.create(checks, {
      schedule: { value: checks.schedule.bind(checks) },
      find: { value: checks.find.bind(checks) },
      // The break ends in the transaction that ends the call.
      moveWithin: {
        value: async (...move: Parameters<typeof checks.moveWithin>) => {
          await checks.moveWithin(...move);
          await within(move[0]);
        },
      },
    }) as typeof checks;
    try {
      const result = await decideByHand({ ...call, by, reason: why }, { store, calls, listeners, worker });
      if (result !== 'resolved') logger.info({ ...call, result }, 'a call was not settled by the statement');
      return result === 'resolved';
    } catch (error) {
      // One message that cannot be applied must not keep the others open; its break stays open, and says so to a person.
      logger.warn({ ...call, err: error }, 'applying what the statement says failed: nothing is changed');
      return false;
    }
  };
}
