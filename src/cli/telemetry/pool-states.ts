import { countOpenBreaks } from '../../store/count-open-breaks.ts';
import { mysqlOutboxStore } from '../../store/mysql-outbox-store.ts';
import { mysqlStatusReport } from '../../store/mysql-status-report.ts';
import { countOpenCalls, countOpenDeadLetters, countOpenSagas } from '../../store/pool-counts.ts';
import type { StateReading, StateSource } from '../../telemetry/state-source.ts';
import type { Orm } from '../compose.ts';
import type { LoadedConfig } from '../config.ts';

/** The database is asked this often at most, however many ask us. */
const CACHE_MS = 10_000;
const AGES = ['under_5m', 'under_1h', 'under_1d', 'over_1d'];

/** What waits in the database, for all workers of the pool together. Cannot be read while it is not open: that is not nothing. */
export function databaseStates({ messageListeners = [] }: LoadedConfig, orm: () => Orm | undefined): StateSource {
  const declared = new Set(messageListeners.map(({ topic }) => topic));
  const read = async (): Promise<StateReading[]> => {
    const opened = orm();
    if (opened === undefined) throw new Error('the database is not open');
    // One after the other: a scrape takes one connection of the pool at a time.
    const calls = await countOpenCalls(opened);
    const checks = await mysqlStatusReport(opened).summary();
    const letters = await countOpenDeadLetters(opened);
    const sagas = await countOpenSagas(opened);
    const breaks = await countOpenBreaks(opened);
    const of = <Metric extends 'calls' | 'status_checks' | 'dead_letters' | 'sagas'>(what: Metric, states: Record<string, number>) =>
      Object.entries(states).map(([state, value]) => ({ metric: `checkback.${what}.open` as const, value, labels: { state } }));
    return [
      ...of('calls', { in_progress: calls.inProgress, waiting: calls.waiting, abandoned: calls.abandoned, unknown: calls.unknown }),
      ...calls.unknownByAge.map(({ count }, index) => ({
        metric: 'checkback.calls.unknown' as const,
        value: count,
        labels: { age: AGES[index] ?? 'over_1d' },
      })),
      ...of('status_checks', { due: checks.byState.DUE, retry: checks.byState.RETRY, review: checks.byState.REVIEW }),
      { metric: 'checkback.status_checks.overdue', value: checks.overdue, labels: {} },
      ...of('dead_letters', { open: letters.open, replaying: letters.replaying }),
      ...byTopic(letters.byTopic, declared),
      ...of('sagas', { running: sagas.running, compensating: sagas.compensating, parked: sagas.parked }),
      ...breaks.map(({ kind, count }) => ({ metric: 'checkback.reconciliation.breaks' as const, value: count, labels: { kind } })),
    ];
  };
  return { name: 'database', cacheMs: CACHE_MS, read };
}

/** What waits in the outbox, for a configuration that has one. */
export function outboxStates(orm: () => Orm | undefined): StateSource {
  const read = async (): Promise<StateReading[]> => {
    const opened = orm();
    if (opened === undefined) throw new Error('the database is not open');
    const { waiting, parked, oldestWaitingMs = 0 } = await mysqlOutboxStore(opened).backlog();
    return [
      { metric: 'checkback.outbox.backlog', value: waiting, labels: { state: 'waiting' } },
      { metric: 'checkback.outbox.backlog', value: parked, labels: { state: 'parked' } },
      { metric: 'checkback.outbox.oldest.seconds', value: oldestWaitingMs / 1_000, labels: {} },
    ];
  };
  return { name: 'outbox', cacheMs: CACHE_MS, read };
}

/** A topic is told only when the configuration has it: what is in the table may come from anywhere. */
function byTopic(letters: readonly { readonly topic: string; readonly count: number }[], declared: ReadonlySet<string>): StateReading[] {
  const counts = new Map([...declared].map((topic) => [topic, 0]));
  for (const { topic, count } of letters) if (counts.has(topic)) counts.set(topic, counts.get(topic)! + count);
  return [...counts].map(([topic, value]) => ({ metric: 'checkback.dead_letters.open_by_topic', value, labels: { topic } }));
}
