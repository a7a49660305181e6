import { styleText } from 'node:util';
import type { PoolStatus } from './pool-status.ts';

/** The screen, for a person; colours only where the terminal has them. */
export function renderStatus(status: PoolStatus): string {
  const { workers, queues, calls, statusChecks, deadLetters, sagas } = status;
  const stats = workers.map(({ stats }) => stats);
  const sum = (counter: 'inFlight' | 'received' | 'acked' | 'retried'): number => stats.reduce((all, one) => all + one[counter], 0);
  return [
    section(
      `workers: ${workers.length} alive, ${sum('inFlight')} deliveries in flight`,
      workers.map(({ owner, host, pid, startedAt, stats }) => [
        `${owner} on ${host}, pid ${pid}`,
        `up ${ago(status.at.getTime() - startedAt.getTime())}, ${stats.inFlight} in flight, ${stats.acked} done, ${stats.retried} postponed, ${stats.receiveErrors} receive errors`,
      ]),
      workers.length === 0,
    ),
    section(
      'circuits',
      workers.flatMap(({ host, pid, circuits }) =>
        circuits
          .filter(({ state }) => state !== 'closed')
          .map(({ origin, state, sinceMs, failures }): Line => [
            `${origin} from ${host}, pid ${pid}`,
            `${state} for ${ago(sinceMs)}, ${failures} failures in a row`,
          ]),
      ),
      true,
      'all closed',
    ),
    section(
      'queues',
      queues.map(({ listener, topic, group, lag }) => [
        `${listener} (${topic}, group ${group})`,
        typeof lag === 'number' ? `${lag} not acknowledged` : lag,
      ]),
    ),
    section('calls', [
      ['in progress', `${calls.inProgress}`],
      ['waiting for another attempt', `${calls.waiting}`],
      ['left by a worker that died', `${calls.abandoned}`, calls.abandoned > 0],
      ['outcome unknown', `${calls.unknown}${byAge(calls.unknownByAge)}`, calls.unknown > 0],
    ]),
    section('status checks', [
      ['due or waiting', `${statusChecks.byState.DUE + statusChecks.byState.RETRY}${byAge(statusChecks.openByAge)}`],
      ['overdue', `${statusChecks.overdue}`, statusChecks.overdue > 0],
      ['waiting for a person', `${statusChecks.byState.REVIEW}`, statusChecks.byState.REVIEW > 0],
    ]),
    section('dead letters', [
      ['open', `${deadLetters.open}`, deadLetters.open > 0],
      ['being replayed', `${deadLetters.replaying}`],
      ...deadLetters.byTopic.map(({ topic, group, count }): Line => [`  ${topic}, group ${group}`, `${count}`]),
    ]),
    section('sagas', [
      ['running', `${sagas.running}`],
      ['compensating', `${sagas.compensating}`],
      ['parked, waiting for a person', `${sagas.parked}`, sagas.parked > 0],
    ]),
  ].join('\n');
}

type Line = readonly [what: string, value: string, isBad?: boolean];

function section(title: string, lines: readonly Line[], isBad = false, none = 'none'): string {
  const width = Math.max(0, ...lines.map(([what]) => what.length));
  const body = lines.map(([what, value, bad = isBad]) => `  ${what.padEnd(width)}  ${bad ? styleText('yellow', value) : value}\n`).join('');
  return `${styleText('bold', title)}\n${body || `  ${none}\n`}`;
}

function byAge(buckets: PoolStatus['calls']['unknownByAge']): string {
  const parts = buckets.flatMap(({ underMs, count }, index) => {
    if (count === 0) return [];
    const before = buckets[index - 1]?.underMs;
    return [`${count} ${underMs === undefined ? `over ${ago(before ?? 0)}` : `under ${ago(underMs)}`}`];
  });
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** A time in its largest unit that says something. */
export function ago(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ] as const;
  for (const [unit, size] of units) if (ms >= size) return `${Math.floor(ms / size)} ${unit}`;
  return `${Math.max(0, Math.floor(ms))} ms`;
}
