import type { CappedCount, OpsOverview } from '../../../store/mysql-ops-overview.ts';
import type { LiveWorker } from '../../../store/worker-heartbeat.ts';
import { ago } from '../../status/render-status.ts';
import { markup, link, type Markup } from '../html.ts';
import { minuteChart } from '../minute-chart.ts';
import { badge, moment, table, words } from '../page.ts';
import type { View } from '../routes.ts';

const REFRESH_MS = 5_000;

/** One look at everything that may need somebody. */
export const showOverview: View = async ({ backend }) => {
  const { workers, ...overview } = await backend.overview();
  const main = markup`<p class="fresh">${backend.owner}, as of ${moment(overview.at)} UTC. <span id="refresh"></span></p>
    <h2>Needs somebody</h2>
    <ul class="tiles">
      ${tile('unknown, before a person', overview.inReview, link('/unknown', { state: 'REVIEW' }))}
      ${tile('dead letters, open', overview.deadLetters.OPEN, link('/dead-letters', { state: 'OPEN' }))}
      ${tile('sagas, parked', overview.sagas.PARKED, link('/sagas', { status: 'PARKED' }))}
      ${tile('breaks, open', overview.breaks.OPEN, link('/breaks', { state: 'OPEN' }))}
      ${tile('outbox, parked', overview.outbox.PARKED, undefined)}
    </ul>
    <h2>The last hour</h2>
    ${minuteChart('Attempts begun', overview.begun, overview.at, ['begun'])}
    ${minuteChart('Attempts answered', overview.answered, overview.at, ['SUCCESS', 'PENDING', 'FAIL', 'UNKNOWN'])}
    <p class="legend">${['success', 'pending', 'fail', 'unknown'].map((name) => markup`<span class="key ${name}">${name}</span> `)}</p>
    ${counts(overview)} ${workerTable(workers, overview.at)}`;
  return { title: 'Overview', at: '/', main, refreshMs: REFRESH_MS };
};

const shown = ({ count, isMore }: CappedCount): string => `${count.toLocaleString('en')}${isMore ? '+' : ''}`;

const tile = (name: string, count: CappedCount, href: string | undefined): Markup => {
  const text = markup`<strong>${shown(count)}</strong> ${name}`;
  return markup`<li class="${count.count > 0 ? 'warn' : 'calm'}">${href === undefined ? text : markup`<a href="${href}">${text}</a>`}</li>`;
};

function counts({ calls, unknownByAge, deadLetters, sagas, outbox, breaks }: OpsOverview): Markup {
  const ofStatus = (all: Readonly<Record<string, CappedCount>>, linked?: (status: string) => string): [Markup, string][] =>
    Object.entries(all).map(([status, count]) => [
      linked === undefined ? badge(status) : markup`<a href="${linked(status)}">${badge(status)}</a>`,
      shown(count),
    ]);
  const list = (title: string, rows: readonly (readonly [Markup | string, string])[]): Markup =>
    markup`<section>
      <h2>${title}</h2>
      <dl class="counts">
        ${rows.map(
          ([name, count]) =>
            markup`<div>
              <dt>${name}</dt>
              <dd>${count}</dd>
            </div>`,
        )}
      </dl>
    </section>`;
  return markup`<div class="columns">
    ${list('Calls', ofStatus(calls))}
    ${list(
      'Unknown, by age',
      unknownByAge.map(({ count }, nth) => [ageOf(unknownByAge, nth), shown(count)]),
    )}
    ${list(
      'Dead letters',
      ofStatus(deadLetters, (state) => link('/dead-letters', { state })),
    )}
    ${list(
      'Sagas',
      ofStatus(sagas, (status) => link('/sagas', { status })),
    )}
    ${list('Outbox', ofStatus(outbox))}
    ${list(
      'Breaks',
      ofStatus(breaks, (state) => link('/breaks', { state })),
    )}
  </div>`;
}

const ageOf = (buckets: OpsOverview['unknownByAge'], nth: number): string => {
  const under = buckets[nth]!.underMs;
  return under === undefined ? `${ago(buckets[nth - 1]!.underMs!)} and more` : `under ${ago(under)}`;
};

const workerTable = (workers: readonly LiveWorker[], now: Date): Markup =>
  markup`<h2>Workers</h2>
    ${table(
      `${workers.length} alive`,
      ['Worker', 'Up for', 'In flight', 'Done', 'Postponed', 'Circuits'],
      workers.map(({ owner, host, pid, startedAt, stats, circuits }) => [
        `${owner} on ${host}, pid ${pid}`,
        ago(now.getTime() - startedAt.getTime()),
        stats.inFlight,
        stats.acked,
        stats.retried,
        circuits
          .filter(({ state }) => state !== 'closed')
          .map(({ origin, state }) => `${origin} ${words(state)}`)
          .join(', ') || 'all closed',
      ]),
      'No worker has been heard of within the last half minute.',
    )}`;
