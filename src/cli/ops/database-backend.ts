import type { AnyMessageSource } from '../../reconciliation/message-source.ts';
import { sagaDecisions } from '../../saga/saga-decisions.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Logger } from '../../shared/logger.ts';
import { discardDeadLetter, resolveDeadLetter } from '../../dead-letter/decide.ts';
import { replayDeadLetter } from '../../dead-letter/replay.ts';
import { mysqlDeadLetterStore } from '../../store/mysql-dead-letter-store.ts';
import { readAttempt } from '../../store/mysql-ops-evidence.ts';
import { mysqlOpsLists } from '../../store/mysql-ops-lists.ts';
import { opsOverviewReader } from '../../store/mysql-ops-overview.ts';
import { mysqlOpsSearch } from '../../store/mysql-ops-search.ts';
import { readOpsCheck, readOpsStory } from '../../store/mysql-ops-story.ts';
import { mysqlStatementStore } from '../../store/mysql-reconciliation-break-store.ts';
import { mysqlSagaStore } from '../../store/mysql-saga-store.ts';
import { liveWorkers } from '../../store/worker-heartbeat.ts';
import { said as saidOfLetter } from '../commands/dlq-decide.ts';
import { sentence } from '../commands/dlq-replay.ts';
import { dlqSession } from '../commands/dlq-session.ts';
import { said as saidOfBreak } from '../commands/reconcile-breaks.ts';
import { SAID } from '../commands/unknown.ts';
import type { Orm } from '../compose.ts';
import type { LoadedConfig } from '../config.ts';
import { decideUnknown } from '../decide-unknown.ts';
import type { BusinessRow, OpsActions, OpsBackend } from './ops-backend.ts';

interface Base {
  readonly config: LoadedConfig;
  readonly orm: Orm;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** How old an overview may be. */
const FRESH_MS = 1_000;

/** The page on the database of a configuration. The broker is connected for a replay, and for no longer. */
export function databaseBackend(base: Base): OpsBackend {
  const { config, orm, clock } = base;
  const search = mysqlOpsSearch(orm);
  const readOverview = opsOverviewReader(orm);
  let last: { readonly at: number; readonly read: ReturnType<OpsBackend['overview']> } | undefined;
  return {
    owner: config.owner,
    search,
    lists: mysqlOpsLists(orm),
    letters: mysqlDeadLetterStore(orm),
    sagas: mysqlSagaStore(orm),
    breaks: mysqlStatementStore(orm),
    actions: actionsOn(base),
    overview: () => {
      const now = clock.now();
      if (last === undefined || now - last.at >= FRESH_MS || now < last.at) {
        const read = Promise.all([readOverview(), liveWorkers(orm)]).then(([overview, workers]) => ({ ...overview, workers }));
        last = { at: now, read };
        // A database that was away may be back at the next look.
        read.catch(() => (last = undefined));
      }
      return last.read;
    },
    story: async (correlationId) => {
      const calls = await search.byCorrelation(correlationId, 20);
      const keys = [...new Set([correlationId, ...calls.map(({ idempotencyKey }) => idempotencyKey)])];
      const rows = await businessRows(base, keys, correlationId);
      const transactionIds = rows.flatMap(({ transactionId }) => transactionId ?? []);
      return { ...(await readOpsStory(orm, correlationId, { transactionIds })), rows };
    },
    attempt: (callId, attempt) => readAttempt(orm, callId, attempt),
    check: (callName, idempotencyKey) => readOpsCheck(orm, callName, idempotencyKey),
  };
}

function actionsOn({ config, orm, logger }: Base): OpsActions {
  const letters = mysqlDeadLetterStore(orm);
  return {
    decideUnknown: async (call, { by, reason }) => {
      const result = await decideUnknown({ ...call, by, reason }, { config, orm, logger });
      return result === 'resolved'
        ? { isDone: true, text: `${call.callName} ${call.idempotencyKey} is ${call.to}` }
        : { isDone: false, text: SAID[result] };
    },
    replay: async ({ id, force, topic }, { by, reason }) => {
      await using opened = new AsyncDisposableStack();
      const session = dlqSession(config, orm, opened);
      const sender = opened.adopt(session.openSender(logger), (open) => open.close());
      const inquire = session.inquiry(await session.openAsking(logger));
      const result = await replayDeadLetter(id, { store: letters, sender, inquire, force, topic, by, reason, logger });
      return { isDone: result.kind === 'replayed' || result.kind === 'resolved', text: sentence(result) };
    },
    decideLetter: async (id, to, decision) => {
      const result = await (to === 'DISCARDED' ? discardDeadLetter : resolveDeadLetter)(letters, id, decision);
      return { isDone: result.kind === 'decided', text: saidOfLetter(result, to) };
    },
    decideBreak: async (id, to, { by, reason }) => {
      const result = await mysqlStatementStore(orm).decide(id, to, { by, why: reason });
      return { isDone: result.kind === 'decided', text: saidOfBreak(result, to) };
    },
    decideSaga: async (id, kind, { by, reason }) => {
      const decisions = sagaDecisions(mysqlSagaStore(orm), config.sagas ?? []);
      await decisions[kind](id, { by, why: reason });
      return { isDone: true, text: kind === 'retry' ? 'it is tried again' : 'it is abandoned' };
    },
  };
}

/** The rows that sources of messages know under these keys, once each. */
async function businessRows({ config, orm, logger }: Base, keys: readonly string[], correlationId: string): Promise<BusinessRow[]> {
  const found = new Map<string, BusinessRow>();
  for (const source of config.reconciliation?.sources ?? []) {
    for (const idempotencyKey of keys) {
      try {
        const row = (await source.rowOf(orm.em.fork({ clear: true, useContext: false }), { idempotencyKey, correlationId })) as
          | object
          | null
          | undefined;
        if (row === null || row === undefined) continue;
        const shown = businessRow(source, row, idempotencyKey);
        found.set(`${shown.source} ${shown.key}`, shown);
      } catch (error) {
        logger.warn({ error, source: source.name }, 'the row behind a call could not be read for the ops page');
      }
    }
  }
  return [...found.values()];
}

/** What may be shown of any business's row: which it is, which transaction wrote it, when, and its status. */
function businessRow(source: AnyMessageSource, row: object, key: string): BusinessRow {
  const values = row as Readonly<Record<string, unknown>>;
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined);
  const writtenAt = source.delivery === undefined ? undefined : values[source.delivery.writtenAt];
  return {
    source: source.name,
    key: text('id') ?? key,
    transactionId: text('transactionId'),
    status: text('status'),
    writtenAt: writtenAt instanceof Date ? writtenAt : undefined,
  };
}
