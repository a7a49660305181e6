import { markup, type Markup } from '../html.ts';
import { laneChart } from '../lane-chart.ts';
import type { OpsBackend } from '../ops-backend.ts';
import { badge, facts, moment } from '../page.ts';
import { required } from '../read-form.ts';
import type { View } from '../routes.ts';
import { storyEvents } from '../story-events.ts';

/** All that the database knows about one order, on one time line. */
export const showStory: View = async ({ fields, backend }) => {
  const id = required(fields, 'id').slice(0, 128);
  const story = await backend.story(id);
  const events = storyEvents(story);
  const main = markup`${standing(story)}
  ${story.isCut && markup`<p class="notice bad">There is more than is shown: 200 rows of each kind are read at most.</p>`}
  ${
    events.length === 0
      ? markup`<p class="empty">
          Nothing is on record under this id. A half message without a row exists only in the broker: see
          <code>checkback reconcile parked</code>.
        </p>`
      : markup`<h2>Time line</h2>
          ${laneChart(events)}
          <ol class="timeline">
            ${events.map(
              ({ at, lane, text, isBad }) =>
                markup`<li class="${isBad ? 'bad' : 'good'}">
                  <span class="when">${moment(at)}</span> <span class="lane">${lane}</span> <span class="what">${text}</span>
                </li> `,
            )}
          </ol>`
  }`;
  return { title: `Order ${id}`, at: '/find', main };
};

function standing({
  correlationId,
  calls,
  rows,
  markers,
  rescues,
  sagas,
  outbox,
  letters,
  transactionIds,
}: Awaited<ReturnType<OpsBackend['story']>>): Markup {
  // The correlation id is one of them only where something is on record under it.
  const onRecord = new Set([...rows, ...markers, ...outbox, ...rescues].map((one) => one.transactionId));
  const known = transactionIds.filter((id) => id !== correlationId || onRecord.has(id));
  const list = (all: readonly Markup[]): Markup | undefined =>
    all.length === 0
      ? undefined
      : markup`<ul>
          ${all.map((one) => markup`<li>${one}</li>`)}
        </ul>`;
  return facts([
    ['Transactions', list(known.map((id) => markup`<code>${id}</code>`))],
    [
      'Rows of the business',
      list(
        rows.map(({ source, key, status }) => markup`${source} <code>${key}</code>${status !== undefined && markup` ${badge(status)}`}`),
      ),
    ],
    [
      'Markers',
      list(
        markers.map(
          ({ transactionId, isCommitted }) =>
            markup`<code>${transactionId}</code> ${isCommitted ? 'committed' : 'never committed: a check-back came first'}`,
        ),
      ),
    ],
    ['Outbox', list(outbox.map(({ id, topic, state }) => markup`message ${id} for ${topic} ${badge(state)}`))],
    [
      'Calls',
      list(
        calls.map(
          ({ callName, idempotencyKey, status, attempts }) =>
            markup`${callName} <code>${idempotencyKey}</code> ${badge(status)} ×${attempts}`,
        ),
      ),
    ],
    ['Sagas', list(sagas.map(({ id, saga, status }) => markup`${saga} <code>${id}</code> ${badge(status)}`))],
    ['Dead letters', list(letters.map(({ id, state }) => markup`${id} ${badge(state)}`))],
  ]);
}
